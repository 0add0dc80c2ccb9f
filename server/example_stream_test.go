package server_test

import (
	"bufio"
	"fmt"
	"log"
	"net/http"

	"github.com/roost-ws/roost/server"
)

// Server-sent events beside WebSockets: no goroutine waits for these clients, either.
func ExampleConfig_stream() {
	srv, err := server.New(server.Handler{
		OnOpen: func(c *server.Conn, r *server.Request) {
			if c.Streaming() {
				c.SendPrepared(server.PrepareChunk([]byte("data: hello\n\n")))
				c.Close(server.StatusNormal, "that was all")
			}
		},
	}, server.Config{
		OnStream: func(r *server.Request) (*server.Stream, *server.Refusal) {
			if r.Path() != "/events" {
				return nil, &server.Refusal{Status: http.StatusNotFound, Reason: "There is nothing here."}
			}
			return &server.Stream{ContentType: "text/event-stream"}, nil
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

	res, err := http.Get("http://" + addr.String() + "/events")
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Scan()
	fmt.Println(res.Status, lines.Text())
	// Output: 200 OK data: hello
}
