// The gorilla/websocket peer: net/http, one goroutine per connection. Write
// buffers are pooled, so that an idle connection holds none, and so are the
// buffers messages are read into, which spares the growth inside ReadMessage.
//
// A publish writes to one subscriber after the other, which is cheapest but
// waits for one that does not read. With -pump each subscriber has a second
// goroutine and a queue instead, as in the library's chat example.
package main

import (
	"bytes"
	"flag"
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
	upgrader.EnableCompression = contract.Deflate()
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
	set map[*websocket.Conn]chan *websocket.PreparedMessage // nil without -pump
}

var (
	pump        = flag.Bool("pump", false, "a writing goroutine and a queue for each subscriber")
	subscribers = hub{set: map[*websocket.Conn]chan *websocket.PreparedMessage{}}
)

// queueMax bounds a subscriber's queue, in messages; it is the chat example's.
const queueMax = 256

func (h *hub) add(c *websocket.Conn) {
	var queue chan *websocket.PreparedMessage
	if *pump {
		queue = make(chan *websocket.PreparedMessage, queueMax)
		go func() {
			for m := range queue {
				if c.WritePreparedMessage(m) != nil {
					c.Close()
				}
			}
		}()
	}
	h.mu.Lock()
	h.set[c] = queue
	h.mu.Unlock()
}

func (h *hub) remove(c *websocket.Conn) {
	h.mu.Lock()
	if queue := h.set[c]; queue != nil {
		close(queue)
	}
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
	for c, queue := range h.set {
		if queue == nil {
			if c.WritePreparedMessage(m) != nil {
				c.Close()
			}
			continue
		}
		select {
		case queue <- m:
		default: // too slow
			c.Close()
		}
	}
	return nil
}
