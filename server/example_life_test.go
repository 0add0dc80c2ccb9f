package server_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coder/websocket"
	"github.com/roost-ws/roost/server"
)

// A server that tells its clients when it is asked to end, and gives them time
// to leave.
func ExampleServer_Shutdown() {
	srv, err := server.New(server.Handler{}, server.Config{Timeouts: server.Timeouts{Drain: 50 * time.Millisecond}})
	if err != nil {
		log.Fatal(err)
	}
	addr, err := srv.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	client, _, err := websocket.Dial(context.Background(), "ws://"+addr.String(), nil)
	if err != nil {
		log.Fatal(err)
	}
	left := make(chan error)
	go func() {
		_, _, err := client.Read(context.Background()) // answers the Close frame
		left <- err
	}()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(srv.Shutdown(ctx))
	fmt.Println(websocket.CloseStatus(<-left))
	// Output:
	// <nil>
	// StatusGoingAway
}

// A program that ends well when it gets a signal.
func ExampleServer_ListenAndServe() {
	srv, err := server.New(server.Handler{}, server.Config{})
	if err != nil {
		log.Fatal(err)
	}
	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	done := make(chan error)
	go func() {
		<-interrupted.Done()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		done <- srv.Shutdown(ctx)
	}()
	if err := srv.ListenAndServe("tcp", ":8080"); err != server.ErrServerClosed {
		log.Fatal(err)
	}
	if err := <-done; err != nil {
		log.Println("some clients were cut off:", err)
	}
}

// A listener that was opened elsewhere, as by systemd.
func ExampleServer_Serve() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	srv, err := server.New(server.Handler{
		OnMessage: func(c *server.Conn, op server.Opcode, message []byte) { c.Send(op, message) },
	}, server.Config{})
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- srv.Serve(ln) }()

	fmt.Println(ask("ws://"+ln.Addr().String(), "hello"))
	srv.Close()
	fmt.Println(<-served)
	// Output:
	// hello
	// server: closed
}

// With Inline, what belongs to the connections of one loop needs no lock:
// callbacks and posted tasks run on the loop's goroutine, one at a time.
func ExampleServer_Post() {
	const loops = 2
	var conns [loops]map[*server.Conn]bool // conns[i] is touched by loop i only
	for i := range conns {
		conns[i] = make(map[*server.Conn]bool)
	}
	srv, err := server.New(server.Handler{
		OnOpen:  func(c *server.Conn, r *server.Request) { conns[c.Loop()][c] = true },
		OnClose: func(c *server.Conn, err *server.CloseError) { delete(conns[c.Loop()], c) },
	}, server.Config{Inline: true, Loops: loops})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	addr, err := srv.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	client, _, err := websocket.Dial(context.Background(), "ws://"+addr.String(), nil)
	if err != nil {
		log.Fatal(err)
	}

	news := server.Prepare(server.Text, []byte("news"))
	for i := range srv.Loops() {
		srv.Post(i, func() {
			for c := range conns[i] {
				c.SendPrepared(news)
			}
		})
	}
	_, message, err := client.Read(context.Background())
	fmt.Println(string(message), err)
	// Output: news <nil>
}

// A connection carries a value of the application's, and is closed with a code and a reason.
func ExampleConn_Close() {
	type player struct{ name string }
	srv, err := server.New(server.Handler{
		OnOpen: func(c *server.Conn, r *server.Request) { c.SetValue(&player{r.Query().Get("name")}) },
		OnMessage: func(c *server.Conn, op server.Opcode, message []byte) {
			c.Send(op, []byte("bye "+c.Value().(*player).name))
			c.Close(4000, "game over")
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

	ctx := context.Background()
	client, _, err := websocket.Dial(ctx, "ws://"+addr.String()+"/?name=ada", nil)
	if err != nil {
		log.Fatal(err)
	}
	client.Write(ctx, websocket.MessageText, []byte("quit"))
	_, message, _ := client.Read(ctx)
	fmt.Println(string(message))
	_, _, err = client.Read(ctx)
	fmt.Println(websocket.CloseStatus(err))
	// Output:
	// bye ada
	// StatusCode(4000)
}

// A client can be asked whether it is there; any answer keeps it.
func ExampleConn_Ping() {
	conns := make(chan *server.Conn, 1)
	srv, err := server.New(server.Handler{
		OnOpen: func(c *server.Conn, r *server.Request) { conns <- c },
	}, server.Config{PingInterval: 20 * time.Second, PongTimeout: 10 * time.Second}) // does it all by itself
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	addr, err := srv.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}

	pinged := make(chan string, 1)
	client, _, err := websocket.Dial(context.Background(), "ws://"+addr.String(), &websocket.DialOptions{
		OnPingReceived: func(ctx context.Context, payload []byte) bool { pinged <- string(payload); return true },
	})
	if err != nil {
		log.Fatal(err)
	}
	client.CloseRead(context.Background())
	(<-conns).Ping([]byte("there?"))
	fmt.Println(<-pinged)
	// Output: there?
}

// A producer that does not overrun a slow client: it stops when a message found
// no room, and goes on when the queue is empty.
func ExampleHandler_onDrain() {
	const rows, size = 3000, 1000
	type export struct{ next int }
	produce := func(c *server.Conn) {
		e := c.Value().(*export)
		for ; e.next < rows; e.next++ {
			if c.Send(server.Binary, make([]byte, size)) != nil {
				return
			}
		}
	}
	srv, err := server.New(server.Handler{
		OnMessage: func(c *server.Conn, op server.Opcode, message []byte) { c.SetValue(new(export)); produce(c) },
		OnDrain:   produce,
	}, server.Config{
		SlowConsumer: server.DropNewest, // Send says so, and the connection stays
		Limits:       server.Limits{Outbound: 256 << 10},
	})
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
	client.Write(ctx, websocket.MessageText, []byte("all of it"))
	got := 0
	for got < rows*size {
		_, row, err := client.Read(ctx)
		if err != nil {
			log.Fatal(err)
		}
		got += len(row)
	}
	fmt.Println(got, "bytes")
	// Output: 3000000 bytes
}

// What a server has to do at the moment, and what it has done.
func ExampleServer_Stats() {
	srv, err := server.New(server.Handler{
		OnMessage: func(c *server.Conn, op server.Opcode, message []byte) { c.Send(op, message) },
	}, server.Config{})
	if err != nil {
		log.Fatal(err)
	}
	addr, err := srv.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ask("ws://"+addr.String(), "hello")
	srv.Close()

	stats := srv.Stats()
	fmt.Println(stats.Opened, "opened,", stats.Messages, "message,", stats.Open, "open now")
	// Output: 1 opened, 1 message, 0 open now
}

// ask opens a WebSocket, sends a message unless it is empty, and returns the first that comes.
func ask(url, message string) string {
	ctx := context.Background()
	client, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return err.Error()
	}
	defer client.CloseNow()
	if message != "" {
		if err := client.Write(ctx, websocket.MessageText, []byte(message)); err != nil {
			return err.Error()
		}
	}
	_, answer, err := client.Read(ctx)
	if err != nil {
		return err.Error()
	}
	return string(answer)
}

// get returns the page at url.
func get(url string) string {
	res, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	return string(page)
}

// serve runs a net/http server.
func serve(h http.Handler) (url string, stop func()) {
	s := httptest.NewServer(h)
	return s.URL, s.Close
}
