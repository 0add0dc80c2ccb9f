// The lesismal/nbio peer: event loops, every connection non-blocking. With
// -inline messages are handled on the poller goroutine; the default hands
// them to nbio's pool, as its documentation recommends for handlers that block.
// TLS is its author's fork of crypto/tls.
package main

import (
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/lesismal/llib/std/crypto/tls"
	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	"github.com/lesismal/nbio/nbhttp/websocket"

	"github.com/roost-ws/roost/bench/peers/internal/contract"
)

var (
	mu          sync.Mutex
	subscribers = map[*websocket.Conn]struct{}{}
)

func main() {
	inline := flag.Bool("inline", false, "handle messages on the poller goroutine")
	pollers := flag.Int("pollers", 0, "poller goroutines; 0 is nbio's default")
	flag.Parse()
	logging.SetLevel(logging.LevelError)

	echo := upgrader(func(c *websocket.Conn, op websocket.MessageType, payload []byte) {
		if d, ok := c.Session().(time.Duration); ok {
			time.Sleep(d)
		}
		_ = c.WriteMessage(op, payload)
	})
	pub := upgrader(func(_ *websocket.Conn, op websocket.MessageType, payload []byte) {
		mu.Lock()
		defer mu.Unlock()
		for c := range subscribers {
			_ = c.WriteMessage(op, payload)
		}
	})
	sub := upgrader(func(*websocket.Conn, websocket.MessageType, []byte) {})
	sub.OnOpen(func(c *websocket.Conn) {
		mu.Lock()
		subscribers[c] = struct{}{}
		mu.Unlock()
	})
	sub.OnClose(func(c *websocket.Conn, _ error) {
		mu.Lock()
		delete(subscribers, c)
		mu.Unlock()
	})

	mux := http.NewServeMux()
	for path, u := range map[string]*websocket.Upgrader{"/": echo, contract.PubPath: pub, contract.SubPath: sub} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			c, err := u.Upgrade(w, r, nil)
			if d := contract.Sleep(r.URL.Path); err == nil && d > 0 {
				c.SetSession(d)
			}
		})
	}
	config := nbhttp.Config{
		Network:                 "tcp",
		Addrs:                   []string{contract.Addr()},
		Handler:                 mux,
		IOMod:                   nbhttp.IOModNonBlocking,
		NPoller:                 *pollers,
		MaxLoad:                 1 << 20,
		ReleaseWebsocketPayload: true,
	}
	if certFile, keyFile := contract.CertificateFiles(); certFile != "" {
		cert, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			log.Fatal(err)
		}
		config.Addrs, config.AddrsTLS = nil, config.Addrs
		config.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
	}
	if *inline {
		config.ServerExecutor = func(f func()) { f() }
	}
	engine := nbhttp.NewEngine(config)
	if err := engine.Start(); err != nil {
		log.Fatal(err)
	}
	contract.Ready(append(engine.Addrs, engine.AddrsTLS...)[0])
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	<-stop
}

func upgrader(onMessage func(*websocket.Conn, websocket.MessageType, []byte)) *websocket.Upgrader {
	u := websocket.NewUpgrader()
	u.KeepaliveTime = 0
	u.MessageLengthLimit = contract.MessageMax
	u.HandshakeTimeout = time.Minute
	u.CheckOrigin = func(*http.Request) bool { return true }
	u.OnMessage(onMessage)
	u.EnableCompression(contract.Deflate())
	return u
}
