// The gorilla/websocket peer: net/http, one goroutine per connection. Write
// buffers are pooled, so that an idle connection holds none, and so are the
// buffers messages are read into, which spares the growth inside ReadMessage.
package main

import (
	"bytes"
	"log"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/roost-ws/roost/bench/peers/internal/contract"
)

var upgrader = websocket.Upgrader{
	WriteBufferPool: &sync.Pool{},
	CheckOrigin:     func(*http.Request) bool { return true },
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func main() {
	http.HandleFunc("/", serve)
	log.Fatal(http.Serve(contract.Listen(), nil))
}

func serve(w http.ResponseWriter, r *http.Request) {
	c, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	c.SetReadLimit(contract.MessageMax)
	switch r.URL.Path {
	case contract.SubPath:
		subscribers.add(c)
		defer subscribers.remove(c)
		read(c, func(int, []byte) error { return nil })
	case contract.PubPath:
		read(c, subscribers.publish)
	default:
		sleep := contract.Sleep(r.URL.Path)
		read(c, func(op int, payload []byte) error {
			time.Sleep(sleep)
			return c.WriteMessage(op, payload)
		})
	}
}

func read(c *websocket.Conn, handle func(op int, payload []byte) error) {
	for {
		op, r, err := c.NextReader()
		if err != nil {
			return
		}
		buf := buffers.Get().(*bytes.Buffer)
		buf.Reset()
		if _, err = buf.ReadFrom(r); err == nil {
			err = handle(op, buf.Bytes())
		}
		buffers.Put(buf)
		if err != nil {
			return
		}
	}
}

// hub is the set of subscribers; a published message is encoded once.
type hub struct {
	mu  sync.Mutex
	set map[*websocket.Conn]struct{}
}

var subscribers = hub{set: map[*websocket.Conn]struct{}{}}

func (h *hub) add(c *websocket.Conn) {
	h.mu.Lock()
	h.set[c] = struct{}{}
	h.mu.Unlock()
}

func (h *hub) remove(c *websocket.Conn) {
	h.mu.Lock()
	delete(h.set, c)
	h.mu.Unlock()
}

func (h *hub) publish(op int, payload []byte) error {
	m, err := websocket.NewPreparedMessage(op, bytes.Clone(payload))
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.set {
		if c.WritePreparedMessage(m) != nil {
			c.Close()
		}
	}
	return nil
}
