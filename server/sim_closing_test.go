package server

import (
	"bytes"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/roost-ws/roost/server/internal/sim"
	"github.com/roost-ws/roost/server/internal/wire"
)

// The time for an answer to our Close frame, and for the end of the client's
// stream, begins when the last of our words has left, and not at the first look
// at the clock after that: a client that takes them late has all of it.
func TestTimeoutCloseBeginsWhenAllWasSent(t *testing.T) {
	for _, tc := range []struct {
		name  string
		first []byte // that the client sends behind its request
		ours  bool   // the application closes
	}{
		{"closing", nil, true},
		{"lingering", goodbye(4000, ""), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := sim.NewWorld(sim.Config{Seed: 1})
			k := sim.NewKernel(w, sim.Faults{})
			told := 0
			srv, err := New(Handler{
				OnOpen: func(c *Conn, _ *Request) {
					c.Send(Binary, make([]byte, 200_000)) // more than the kernel takes at once
					if tc.ours {
						c.Close(4000, "")
					}
				},
				OnClose: func(*Conn, *CloseError) { told++ },
			}, Config{
				kernel: k, submit: w.NewPool("worker", 0).Submit, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
				Inline: true, Loops: 1, Limits: Limits{Conns: 10, ConnsPerAddress: -1},
				Timeouts: Timeouts{Close: 10 * time.Second, Stall: time.Minute},
			})
			if err != nil {
				t.Fatal(err)
			}
			listener := k.Listen(1)
			w.Go("client", func() {
				srv.engine.ListenSoon(listener.FD(), func(error) {})
				c, err := listener.Dial()
				if err != nil {
					w.Fail("%v", err)
				}
				c.Send(append([]byte(upgrade("/")), tc.first...))
				w.Sleep(8 * time.Second)
				var got []byte
				for b := make([]byte, 1<<16); c.Wait(time.Second); {
					n, err := c.Read(b)
					if got = append(got, b[:n]...); err != nil {
						break
					}
				}
				if last := wire.AppendClose(nil, 4000, ""); !bytes.HasSuffix(got, last) {
					w.Fail("of what was sent %d bytes came, and no Close frame", len(got))
				}
				w.Sleep(5 * time.Second)
				if c.FD() < 0 {
					w.Fail("cut before its time")
				}
				w.Sleep(6 * time.Second)
				if c.FD() >= 0 || told != 1 || srv.Stats().CloseTimeouts != 1 {
					w.Fail("not cut in time; OnClose was called %d times", told)
				}
				srv.engine.StopSoon()
			})
			if err := w.Run(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
