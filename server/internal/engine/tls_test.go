package engine

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"testing"

	"github.com/roost-ws/roost/server/internal/secure"
	"github.com/roost-ws/roost/server/internal/sys"
)

// shaken does a handshake over a pipe, of which wire is the server's end.
func shaken(t *testing.T) (stream *secure.Stream, wire net.Conn, client *tls.Conn) {
	t.Helper()
	wire, far := net.Pipe()
	t.Cleanup(func() { wire.Close(); far.Close() })
	client = tls.Client(far, simTLS().client)
	over := make(chan error, 1)
	go func() { over <- client.Handshake() }()
	stream = new(secure.Stream)
	b := make([]byte, 64<<10)
	for begun, done := false, false; !done; {
		n, err := wire.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		more := bytes.Clone(b[:n])
		if !begun {
			stream.Begin(simTLS().server, nil, more)
			begun, more = true, nil
		}
		if done, err = stream.Step(more); err != nil {
			t.Fatal(err)
		}
		if pending := stream.Pending(); pending != nil {
			wire.Write(pending)
			stream.Sent(len(pending))
		}
	}
	if err := <-over; err != nil {
		t.Fatal(err)
	}
	return stream, wire, client
}

// giver is a session that gives its connection to others as soon as application
// code may run.
type giver struct {
	Session
	pipe  Conn
	wire  net.Conn
	early []byte   // what it was given until then
	heir  net.Conn // the connection as others have it
}

func (g *giver) Pipe() *Conn { return &g.pipe }

func (g *giver) Data(in []byte) (used, calls int) {
	if !g.pipe.Calling() {
		g.pipe.NeedCalls()
		return 0, 0
	}
	g.early = bytes.Clone(in)
	stream := g.pipe.Stream()
	g.pipe.Detach()
	g.heir = stream.Over(g.wire)
	return len(in), 1
}

// endOf is a connection of which only so much can still be read.
type endOf struct {
	net.Conn
	rest *bytes.Reader
}

func (e endOf) Read(b []byte) (int, error) { return e.rest.Read(b) }

type lonePoller struct{ sys.Poller }

func (lonePoller) Remove(int) error { return nil }

// A session that cannot give its connection away in the turn in which the bytes
// come, but in the next, gives all of them: those that were opened, and those
// that were not.
func TestTLSDetachTakesAll(t *testing.T) {
	stream, wire, client := shaken(t)
	sent := make([]byte, 200_000)
	for i := range sent {
		sent[i] = byte(i >> 8)
	}
	go func() {
		client.Write(sent)
		client.NetConn().Close()
	}()
	received, err := io.ReadAll(wire)
	if err != nil {
		t.Fatal(err)
	}
	cut := len(received) - 1000 // inside of a record
	g := &giver{wire: endOf{wire, bytes.NewReader(received[cut:])}}
	g.pipe.loop = &Loop{e: new(Engine), poller: lonePoller{}}
	s := secureSession(g, stream, nil)
	g.pipe.session = s

	used, _ := s.Data(received[:cut])
	if used == cut || g.heir != nil {
		t.Fatalf("%d bytes of %d were used on the loop", used, cut)
	}
	g.pipe.flags |= flagCalling
	left := received[used:cut]
	if used, _ := s.Data(left); used != len(left) || g.heir == nil {
		t.Fatalf("%d bytes of %d were used when the connection was given away", used, len(left))
	}
	clear(left) // it may be used again
	rest, err := io.ReadAll(g.heir)
	if got := append(g.early, rest...); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came through, then %v; want %d", len(got), err, len(sent))
	}
}

// Whoever comes to hold the last straw wakes the loops, which get memory back:
// with a record that is not whole, or with input that is put aside.
func TestTLSHeldAlarms(t *testing.T) {
	stream, wire, client := shaken(t)
	go func() {
		client.Write(make([]byte, 10_000))
		client.NetConn().Close()
	}()
	received, err := io.ReadAll(wire)
	if err != nil {
		t.Fatal(err)
	}
	p := new(wakes)
	l := &Loop{poller: p}
	l.asleep.Store(true)
	e := &Engine{Config: Config{Held: 100}, kernel: sys.Real(), loops: []*Loop{l}}
	l.e = e
	g := new(giver)
	g.pipe.loop = l
	g.pipe.session = secureSession(g, stream, nil)
	if g.pipe.give(received[:50], true); p.n != 0 {
		t.Errorf("50 bytes woke %d loops", p.n)
	}
	if g.pipe.give(received[50:500], true); p.n != 1 || g.pipe.Stowed() != 500 {
		t.Errorf("a record of which %d bytes are held woke %d loops", g.pipe.Stowed(), p.n)
	}
	if g.pipe.stow(make([]byte, 100)); p.n != 2 {
		t.Errorf("input that was put aside woke %d loops", p.n-1)
	}
	g.pipe.Deafen()
	if n := e.held.Load(); n != 0 || g.pipe.Stowed() != 0 {
		t.Errorf("who is deaf holds %d bytes, and %d are counted", g.pipe.Stowed(), n)
	}
}

type wakes struct {
	sys.Poller
	n int
}

func (w *wakes) Wake() error { w.n++; return nil }
