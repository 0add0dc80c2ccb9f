package server

import (
	"fmt"
	"io"
	"net"
	"testing"
)

// BenchmarkEcho is a whole turn, system calls included: messages of 128 bytes,
// several in one segment, echoed over loopback. A server's share of an
// operation is about half; allocations are all the server's.
func BenchmarkEcho(b *testing.B) {
	for _, inline := range []bool{true, false} {
		for _, inflight := range []int{1, 16} {
			b.Run(fmt.Sprintf("inline=%v/inflight=%d", inline, inflight), func(b *testing.B) {
				s, conn := benchServer(b, Handler{
					OnMessage: func(c *Conn, op Opcode, m []byte) { c.Send(op, m) },
				}, Config{Inline: inline})
				defer s.Close()
				batch, reply := make([]byte, 0, inflight*134), make([]byte, inflight*132)
				for range inflight {
					batch = append(batch, 0x82, 0x80|126, 0, 128, 0, 0, 0, 0)
					batch = append(batch, make([]byte, 128)...)
				}
				b.ReportAllocs()
				for b.Loop() {
					if _, err := conn.Write(batch); err != nil {
						b.Fatal(err)
					}
					if _, err := io.ReadFull(conn, reply); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*inflight), "ns/msg")
			})
		}
	}
}

// BenchmarkFanout sends one prepared message to many connections from the
// goroutine of their loop. What it measures is the server's half alone: the
// clients only take it off their sockets afterwards.
func BenchmarkFanout(b *testing.B) {
	const subscribers = 500
	var conns []*Conn
	opened := make(chan *Conn, subscribers)
	s, first := benchServer(b, Handler{OnOpen: func(c *Conn, _ *Request) { opened <- c }}, Config{Inline: true, Loops: 1})
	defer s.Close()
	clients := []net.Conn{first}
	for range subscribers - 1 {
		clients = append(clients, benchDial(b, first.RemoteAddr().String()))
	}
	for range subscribers {
		conns = append(conns, <-opened)
	}
	p := Prepare(Text, make([]byte, 128))
	buf := make([]byte, p.Len())
	done := make(chan struct{})
	b.ReportAllocs()
	for b.Loop() {
		s.Post(0, func() {
			for _, c := range conns {
				c.SendPrepared(p)
			}
			done <- struct{}{}
		})
		<-done
		b.StopTimer()
		for _, c := range clients {
			if _, err := io.ReadFull(c, buf); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*subscribers), "ns/delivery")
}

func benchServer(b *testing.B, h Handler, cfg Config) (*Server, net.Conn) {
	b.Helper()
	s, err := New(h, cfg)
	if err != nil {
		b.Fatal(err)
	}
	addr, err := s.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	return s, benchDial(b, addr.String())
}

func benchDial(b *testing.B, addr string) net.Conn {
	b.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	const request = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	const response = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		b.Fatal(err)
	}
	got := make([]byte, len(response))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != response {
		b.Fatalf("%q, %v", got, err)
	}
	return conn
}
