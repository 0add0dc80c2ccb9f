// The coder/websocket peer: net/http, one goroutine per connection.
package main

import (
	"bytes"
	"context"
	"log"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/roost-ws/roost/bench/peers/internal/contract"
)

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

var options = websocket.AcceptOptions{
	InsecureSkipVerify: true,
	CompressionMode:    websocket.CompressionDisabled,
}

func main() {
	if contract.Deflate() {
		options.CompressionMode, options.CompressionThreshold = websocket.CompressionNoContextTakeover, contract.DeflateMin
	}
	http.HandleFunc("/", serve)
	log.Fatal(http.Serve(contract.Listen(), nil))
}

func serve(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &options)
	if err != nil {
		return
	}
	defer c.CloseNow()
	c.SetReadLimit(contract.MessageMax)
	ctx := context.Background()
	switch r.URL.Path {
	case contract.SubPath:
		subscribers.add(c)
		defer subscribers.remove(c)
		read(ctx, c, func(websocket.MessageType, []byte) error { return nil })
	case contract.PubPath:
		read(ctx, c, subscribers.publish)
	default:
		sleep := contract.Sleep(r.URL.Path)
		read(ctx, c, func(op websocket.MessageType, payload []byte) error {
			time.Sleep(sleep)
			return c.Write(ctx, op, payload)
		})
	}
}

func read(ctx context.Context, c *websocket.Conn, handle func(websocket.MessageType, []byte) error) {
	for {
		op, r, err := c.Reader(ctx)
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

// hub is the set of subscribers; the library has no prepared message.
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

func (h *hub) publish(op websocket.MessageType, payload []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.set {
		_ = c.Write(context.Background(), op, payload)
	}
	return nil
}
