// The lxzan/gws peer: its own server (no net/http), one goroutine per
// connection, messages handled on the reading goroutine.
package main

import (
	"bufio"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/lxzan/gws"

	"github.com/roost-ws/roost/bench/peers/internal/contract"
)

type handler struct {
	gws.BuiltinEventHandler
	mu          sync.Mutex
	subscribers map[*gws.Conn]struct{}
}

func main() {
	h := &handler{subscribers: map[*gws.Conn]struct{}{}}
	s := gws.NewServer(h, &gws.ServerOption{
		ReadMaxPayloadSize:  contract.MessageMax,
		WriteMaxPayloadSize: contract.MessageMax,
		PermessageDeflate:   gws.PermessageDeflate{Enabled: contract.Deflate(), Threshold: contract.DeflateMin},
		Recovery:            nil,
	})
	s.OnRequest = func(netConn net.Conn, br *bufio.Reader, r *http.Request) {
		c, err := s.GetUpgrader().UpgradeFromConn(netConn, br, r)
		if err != nil {
			return
		}
		c.Session().Store("path", r.URL.Path)
		c.Session().Store("sleep", contract.Sleep(r.URL.Path))
		if r.URL.Path == contract.SubPath {
			h.mu.Lock()
			h.subscribers[c] = struct{}{}
			h.mu.Unlock()
		}
		c.ReadLoop()
	}
	log.Fatal(s.RunListener(contract.Listen()))
}

func (h *handler) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	path, _ := c.Session().Load("path")
	switch path {
	case contract.SubPath:
	case contract.PubPath:
		h.publish(m)
	default:
		sleep, _ := c.Session().Load("sleep")
		time.Sleep(sleep.(time.Duration))
		_ = c.WriteMessage(m.Opcode, m.Bytes())
	}
}

// OnPing answers with the same payload (RFC 6455, 5.5.3), which the built-in
// handler leaves to the application.
func (h *handler) OnPing(c *gws.Conn, payload []byte) { _ = c.WritePong(payload) }

func (h *handler) publish(m *gws.Message) {
	b := gws.NewBroadcaster(m.Opcode, m.Bytes())
	defer b.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.subscribers {
		_ = b.Broadcast(c)
	}
}

func (h *handler) OnClose(c *gws.Conn, _ error) {
	h.mu.Lock()
	delete(h.subscribers, c)
	h.mu.Unlock()
}
