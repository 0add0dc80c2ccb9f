package server_test

import (
	"log"

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
