// Command roost of the benchmark serves the contract of bench/peers with
// package server: what a user of the library would write. The echo scenarios
// use the real `roost echo`; this one adds what that program has no use for,
// the fan-out and the handlers that take their time.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/roost-ws/roost/server"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "host:port to listen on")
	inline := flag.Bool("inline", false, "handlers promise not to block")
	workers := flag.Int("workers", 0, "handlers that may block at one time; 0 is the library's default")
	deflate := flag.Bool("deflate", false, "accept permessage-deflate and compress")
	certFile := flag.String("tls-cert", "", "file with a certificate: speak TLS")
	keyFile := flag.String("tls-key", "", "file with its key")
	flag.Parse()

	var secured *tls.Config
	if *certFile != "" {
		cert, err := tls.LoadX509KeyPair(*certFile, *keyFile)
		if err != nil {
			log.Fatal(err)
		}
		secured = &tls.Config{Certificates: []tls.Certificate{cert}}
	}
	b := new(bench)
	srv, err := server.New(
		server.Handler{OnOpen: b.onOpen, OnMessage: b.onMessage, OnClose: b.onClose},
		server.Config{
			Inline: *inline, Workers: *workers, PingInterval: -1,
			Limits:  server.Limits{Message: 16 << 20, Outbound: 16 << 20},
			Origins: server.Origins{Any: true},
			Deflate: server.Deflate{Enabled: *deflate},
			TLS:     secured,
		})
	if err != nil {
		log.Fatal(err)
	}
	b.shards = newShards(srv)
	bound, err := srv.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready", bound)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	<-stop
	if err := srv.Close(); err != nil {
		log.Fatal(err)
	}
}

// bench is the handler. What a connection is for is its user value.
type bench struct {
	shards *shards
}

// The user values of connections that do not just echo.
type (
	subscriber struct{ at int } // where it stands in its shard
	publisher  struct{}
	sleeper    time.Duration
)

func (b *bench) onOpen(c *server.Conn, r *server.Request) {
	switch path := r.Path(); {
	case path == "/sub":
		b.shards.join(c)
	case path == "/pub":
		c.SetValue(publisher{})
	case strings.HasPrefix(path, "/sleep/"):
		if d, err := time.ParseDuration(path[len("/sleep/"):]); err == nil {
			c.SetValue(sleeper(d))
		}
	}
}

func (b *bench) onMessage(c *server.Conn, op server.Opcode, payload []byte) {
	switch v := c.Value().(type) {
	case *subscriber:
		return
	case publisher:
		b.shards.publish(server.Prepare(op, payload))
		return
	case sleeper:
		time.Sleep(time.Duration(v))
	}
	_ = c.Send(op, payload) // fails only when the connection is gone
}

func (b *bench) onClose(c *server.Conn, _ *server.CloseError) {
	if _, ok := c.Value().(*subscriber); ok {
		b.shards.leave(c)
	}
}
