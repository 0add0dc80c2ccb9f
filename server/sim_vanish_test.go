package server

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/roost-ws/roost/server/internal/sim"
)

// Row T21: who vanishes without a word is noticed. A stream's client never answers,
// so it is TCP that gives it up, StreamAckTimeout after the first ping that nobody
// acknowledges; with no such limit much later. A WebSocket client is given up by PongTimeout, whatever it was sent meanwhile.
func TestVanishedClients(t *testing.T) {
	const ping, pong = 25 * time.Second, 20 * time.Second
	for _, tc := range []struct {
		name        string
		request     string
		ack         time.Duration
		least, most time.Duration
		tcp         bool // it is TCP that gives up
	}{
		{"stream", "GET / HTTP/1.1\r\nHost: roost.test\r\n\r\n", 10 * time.Second, ping*3/4 + 10*time.Second, ping + 11*time.Second, true},
		{"stream, no limit", "GET / HTTP/1.1\r\nHost: roost.test\r\n\r\n", -1, 15 * time.Minute, 17 * time.Minute, true},
		{"WebSocket", upgrade("/"), 10 * time.Second, ping*3/4 + pong, ping + pong + time.Second, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := sim.NewWorld(sim.Config{Seed: 1})
			k := sim.NewKernel(w, sim.Faults{})
			var how *CloseError
			var ended time.Duration
			srv, err := New(Handler{
				OnOpen:  func(c *Conn, _ *Request) { c.Send(Binary, []byte("hello")) },
				OnClose: func(_ *Conn, e *CloseError) { how, ended = e, k.Now() },
			}, Config{
				kernel: k, submit: w.NewPool("worker", 0).Submit, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
				Inline: true, Loops: 1, Limits: Limits{Conns: 10, ConnsPerAddress: -1},
				PingInterval: ping, PongTimeout: pong, StreamPingInterval: ping, StreamAckTimeout: tc.ack,
				OnStream: func(*Request) (*Stream, *Refusal) { return &Stream{ContentType: "text/plain"}, nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			listener := k.Listen(1)
			var since time.Duration
			w.Go("client", func() {
				srv.engine.ListenSoon(listener.FD(), func(error) {})
				c, err := listener.Dial()
				if err != nil {
					w.Fail("%v", err)
				}
				c.Send([]byte(tc.request))
				c.Read(make([]byte, 1000))
				c.Vanish()
				since = k.Now()
				w.Within(time.Hour, "the client is given up", func() bool { return how != nil })
				srv.closing.Store(true)
				srv.engine.StopSoon()
			})
			if err := w.Run(); err != nil {
				t.Fatal(err)
			}
			if took := ended - since; took < tc.least-early || took > tc.most {
				t.Errorf("it was given up after %v, want %v to %v", took, tc.least, tc.most)
			}
			if n := srv.Stats().Unacknowledged; how.Code != StatusAbnormal || how.Err == nil || tc.tcp != (n == 1) {
				t.Errorf("it ended with %v, %d counted as given up by TCP", how, n)
			}
		})
	}
}
