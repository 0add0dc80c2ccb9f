package server_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"strings"
	"sync"

	"github.com/coder/websocket"
	"github.com/roost-ws/roost/server"
)

// An echo server in seven lines.
func Example() {
	srv, err := server.New(server.Handler{
		OnOpen:    func(c *server.Conn, r *server.Request) { log.Println("connected:", c.RemoteAddr()) },
		OnMessage: func(c *server.Conn, op server.Opcode, message []byte) { c.Send(op, message) },
		OnClose:   func(c *server.Conn, err *server.CloseError) { log.Println("closed:", err) },
	}, server.Config{})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(srv.ListenAndServe("tcp", ":8080"))
}

// A server on a port that the system chooses, and a client that talks to it.
func ExampleServer_Listen() {
	srv, err := server.New(server.Handler{
		OnMessage: func(c *server.Conn, op server.Opcode, message []byte) { c.Send(op, message) },
	}, server.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	addr, err := srv.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	client, _, err := websocket.Dial(ctx, "ws://"+addr.String(), nil)
	if err != nil {
		log.Fatal(err)
	}
	client.Write(ctx, websocket.MessageText, []byte("hello"))
	_, answer, err := client.Read(ctx)
	fmt.Println(string(answer), err)
	// Output: hello <nil>
}

// Pages and WebSockets on one port: what asks for no WebSocket goes to HTTP.
func ExampleConfig_http() {
	srv, err := server.New(server.Handler{
		OnMessage: func(c *server.Conn, op server.Opcode, message []byte) { c.Send(op, message) },
	}, server.Config{
		HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "a page") }),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	addr, err := srv.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println(get("http://" + addr.String()))
	fmt.Println(ask("ws://"+addr.String(), "a message"))
	// Output:
	// a page
	// a message
}

// An application with a router of its own, in any net/http server, hands over
// the requests that are to become WebSockets.
func ExampleServer_Upgrade() {
	srv, err := server.New(server.Handler{
		OnOpen: func(c *server.Conn, r *server.Request) {
			c.Send(server.Text, []byte("welcome to "+r.Query().Get("room")))
		},
	}, server.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()

	mux := http.NewServeMux()
	mux.HandleFunc("GET /chat", func(w http.ResponseWriter, r *http.Request) {
		if err := srv.Upgrade(w, r); err != nil {
			log.Println(err)
		}
	})
	url, stop := serve(mux)
	defer stop()

	fmt.Println(ask("ws"+strings.TrimPrefix(url, "http")+"/chat?room=attic", ""))
	// Output: welcome to attic
}

// One message for many clients is encoded once.
func ExamplePrepare() {
	var mu sync.Mutex
	clients := make(map[*server.Conn]bool)
	srv, err := server.New(server.Handler{
		OnOpen: func(c *server.Conn, r *server.Request) {
			mu.Lock()
			defer mu.Unlock()
			clients[c] = true
		},
		OnMessage: func(c *server.Conn, op server.Opcode, message []byte) {
			p := server.Prepare(op, message)
			mu.Lock()
			defer mu.Unlock()
			for c := range clients {
				c.SendPrepared(p)
			}
		},
		OnClose: func(c *server.Conn, err *server.CloseError) {
			mu.Lock()
			defer mu.Unlock()
			delete(clients, c)
		},
	}, server.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	addr, err := srv.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println(ask("ws://"+addr.String(), "to all of you"))
	// Output: to all of you
}

// A hook decides who may connect, before the handshake is answered.
func ExampleConfig_onUpgrade() {
	srv, err := server.New(server.Handler{}, server.Config{
		OnUpgrade: func(r *server.Request) *server.Refusal {
			if r.Header("Authorization") != "Bearer sesame" {
				return &server.Refusal{
					Status: http.StatusUnauthorized, Reason: "Say the word.",
					Header: http.Header{"Www-Authenticate": {"Bearer"}},
				}
			}
			r.SetHeader("X-Session", "1001")
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	addr, err := srv.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}

	for _, word := range []string{"", "Bearer sesame"} {
		client, res, _ := websocket.Dial(context.Background(), "ws://"+addr.String(), &websocket.DialOptions{
			HTTPHeader: http.Header{"Authorization": {word}},
		})
		fmt.Printf("%d %q %q\n", res.StatusCode, res.Header.Get("Www-Authenticate"), res.Header.Get("X-Session"))
		if client != nil {
			client.CloseNow()
		}
	}
	// Output:
	// 401 "Bearer" ""
	// 101 "" "1001"
}

// Which subprotocols are spoken, and which web pages may connect.
func ExampleOrigins() {
	srv, err := server.New(server.Handler{}, server.Config{
		Subprotocols: []string{"chat.v2", "chat.v1"},
		Origins:      server.Origins{Allow: []string{"https://example.com", "https://*.example.com"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	addr, err := srv.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}

	for _, page := range []string{"https://app.example.com", "https://example.org"} {
		client, res, _ := websocket.Dial(context.Background(), "ws://"+addr.String(), &websocket.DialOptions{
			HTTPHeader: http.Header{"Origin": {page}}, Subprotocols: []string{"chat.v1", "chat.v0"},
		})
		fmt.Println(page, res.StatusCode, res.Header.Get("Sec-WebSocket-Protocol"))
		if client != nil {
			client.CloseNow()
		}
	}
	// Output:
	// https://app.example.com 101 chat.v1
	// https://example.org 403
}
