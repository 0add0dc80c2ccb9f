// The gnet peer: gnet's event loops with gobwas/ws framing, as in gnet's own
// examples: one Write per message. With -cork the replies to everything that
// arrived together leave in one Write, which gnet does not do by itself but an
// author who knows the trick can do by hand.
package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"log"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/panjf2000/gnet/v2"
	"github.com/panjf2000/gnet/v2/pkg/logging"

	"github.com/roost-ws/roost/bench/peers/internal/contract"
)

type server struct {
	gnet.BuiltinEventEngine
	cork bool

	mu          sync.Mutex
	subscribers map[gnet.Conn]struct{}
}

// session is a connection's state; nil in the Context means the opening
// handshake is not finished.
type session struct {
	path    string
	op      ws.OpCode
	message []byte // fragments so far
}

func main() {
	cork := flag.Bool("cork", false, "one write for the replies to everything that arrived together")
	loops := flag.Int("loops", 0, "event loops; 0 is one per CPU")
	addr := contract.Addr()
	s := &server{cork: *cork, subscribers: map[gnet.Conn]struct{}{}}
	go announce(addr)
	log.Fatal(gnet.Run(s, "tcp://"+addr,
		gnet.WithMulticore(true),
		gnet.WithNumEventLoop(*loops),
		gnet.WithTCPNoDelay(gnet.TCPNoDelay),
		gnet.WithLogLevel(logging.ErrorLevel)))
}

var booted = make(chan struct{})

func announce(addr string) {
	<-booted
	// OnBoot runs just before the listeners are polled; connections made in
	// between wait in the accept queue.
	time.Sleep(10 * time.Millisecond)
	contract.Ready(addr)
}

func (s *server) OnBoot(gnet.Engine) gnet.Action {
	close(booted)
	return gnet.None
}

func (s *server) OnClose(c gnet.Conn, _ error) gnet.Action {
	s.mu.Lock()
	delete(s.subscribers, c)
	s.mu.Unlock()
	return gnet.None
}

func (s *server) OnTraffic(c gnet.Conn) gnet.Action {
	ses, _ := c.Context().(*session)
	if ses == nil {
		if ses = s.upgrade(c); ses == nil {
			return gnet.None
		}
	}
	var corked bytes.Buffer
	reply := io.Writer(c)
	if s.cork {
		reply = &corked
	}
	err := s.frames(c, ses, reply)
	if corked.Len() > 0 {
		_, _ = c.Write(corked.Bytes())
	}
	if err != nil {
		return gnet.Close
	}
	return gnet.None
}

// upgrade runs gobwas's upgrader once the whole request is there.
func (s *server) upgrade(c gnet.Conn) *session {
	all, _ := c.Peek(-1)
	end := bytes.Index(all, []byte("\r\n\r\n"))
	if end < 0 {
		return nil
	}
	ses := new(session)
	u := ws.Upgrader{OnRequest: func(uri []byte) error { ses.path = string(uri); return nil }}
	var response bytes.Buffer
	_, err := u.Upgrade(struct {
		io.Reader
		io.Writer
	}{bytes.NewReader(all[:end+4]), &response})
	_, _ = c.Discard(end + 4)
	_, _ = c.Write(response.Bytes())
	if err != nil {
		_ = c.Close()
		return nil
	}
	c.SetContext(ses)
	if ses.path == contract.SubPath {
		s.mu.Lock()
		s.subscribers[c] = struct{}{}
		s.mu.Unlock()
	}
	return ses
}

// frames handles every whole frame in the inbound buffer.
func (s *server) frames(c gnet.Conn, ses *session, reply io.Writer) error {
	for {
		all, _ := c.Peek(-1)
		r := bytes.NewReader(all)
		h, err := ws.ReadHeader(r)
		if err != nil { // the header is not whole yet
			return nil
		}
		if h.Length > contract.MessageMax {
			return ws.ErrHeaderLengthUnexpected
		}
		if err := ws.CheckHeader(h, ws.StateServerSide); err != nil {
			return err
		}
		size := ws.HeaderSize(h) + int(h.Length)
		if len(all) < size {
			return nil
		}
		payload := all[size-int(h.Length) : size]
		ws.Cipher(payload, h.Mask, 0)
		err = s.frame(ses, h, payload, reply)
		_, _ = c.Discard(size)
		if err != nil {
			return err
		}
	}
}

func (s *server) frame(ses *session, h ws.Header, payload []byte, reply io.Writer) error {
	switch {
	case h.OpCode == ws.OpPing:
		return write(reply, ws.OpPong, payload)
	case h.OpCode == ws.OpClose:
		_ = write(reply, ws.OpClose, payload)
		return io.EOF
	case h.OpCode == ws.OpPong:
		return nil
	case h.OpCode != ws.OpContinuation:
		ses.op = h.OpCode
	}
	if !h.Fin || len(ses.message) > 0 {
		ses.message = append(ses.message, payload...)
		if !h.Fin {
			return nil
		}
		payload = ses.message
		defer func() { ses.message = nil }()
	}
	switch ses.path {
	case contract.SubPath:
		return nil
	case contract.PubPath:
		return s.publish(ses.op, payload)
	}
	return write(reply, ses.op, payload)
}

// write sends one frame with one Write.
func write(w io.Writer, op ws.OpCode, payload []byte) error {
	frame, err := ws.CompileFrame(ws.NewFrame(op, true, payload))
	if err != nil {
		return err
	}
	_, err = w.Write(frame)
	return err
}

// publish writes on each event loop to that loop's subscribers.
func (s *server) publish(op ws.OpCode, payload []byte) error {
	frame, err := ws.CompileFrame(ws.NewFrame(op, true, payload))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	loops := map[gnet.EventLoop][]gnet.Conn{}
	for c := range s.subscribers {
		loops[c.EventLoop()] = append(loops[c.EventLoop()], c)
	}
	for loop, conns := range loops {
		err := loop.Execute(context.Background(), gnet.RunnableFunc(func(context.Context) error {
			for _, c := range conns {
				_, _ = c.Write(frame)
			}
			return nil
		}))
		if err != nil {
			return err
		}
	}
	return nil
}
