package load

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/roost-ws/roost/bench/proc"
	"github.com/roost-ws/roost/poller"
)

// readMax is the most one read takes from a connection, in bytes.
const readMax = 256 << 10

// timerToken is the schedule's timer among the poller's tokens; the others
// are connection ids, which stay below.
const timerToken = 1 << 40

// Session is a set of connections to one server and the goroutine that
// serves them: every method must be called from the same one.
type Session struct {
	dial    Dial
	tls     *tls.Config // nil without TLS
	plain   []byte      // what was decrypted
	addr    netip.AddrPort
	epoch   time.Time
	poller  *poller.Poller
	events  []poller.Event
	conns   []*conn // by id; nil once gone
	opened  int     // connections in state open
	busy    int     // connections connecting or upgrading
	buf     []byte
	scratch []byte
	pattern *pattern
	size    int  // payload bytes of the messages in flight
	op      byte // their opcode
	textual bool // messages are texts that the order reads, of any size
	runs    uint16
	request []byte // the opening handshake of connections being opened
	stall   bool   // they will not be read from
	timer   int    // a timerfd

	order      order                        // what is being carried out
	expect     func(c *conn, l lead) *fault // what messages must be like; nil: replies
	now        time.Duration
	unanswered int
	failures   Failures
}

// order is what a Session is doing; it reacts to what happens on connections.
type order interface {
	// opened: the opening handshake succeeded.
	opened(c *conn)
	// replied: a right reply came to message seq.
	replied(c *conn, seq uint64, sent time.Duration)
	// control: a Pong came, or the answer to our Close frame.
	control(c *conn, op byte, payload []byte) *fault
	// text: a message came while the Session is textual.
	text(c *conn, payload []byte) *fault
	// turn: what one wake-up brought is consumed.
	turn(c *conn)
	// lost: the connection is gone.
	lost(c *conn)
}

// idle is the order between orders, and what others leave out.
type idle struct{}

func (idle) opened(*conn)                         {}
func (idle) replied(*conn, uint64, time.Duration) {}
func (idle) control(*conn, byte, []byte) *fault   { return nil }
func (idle) text(c *conn, payload []byte) *fault {
	return &fault{Stranger, fmt.Sprintf("connection %d got %.200q, which nobody asked for", c.id, payload)}
}
func (idle) turn(*conn) {}
func (idle) lost(*conn) {}

// NewSession prepares for connections to one server; it opens none.
func NewSession(d Dial) (*Session, error) {
	addr, err := netip.ParseAddrPort(d.Addr)
	if err != nil {
		return nil, fmt.Errorf("load: server address: %w", err)
	}
	p, err := poller.Open()
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	s := &Session{
		dial: d, addr: addr, epoch: time.Now(), poller: p,
		events: make([]poller.Event, 512), buf: make([]byte, readMax),
		pattern: newPattern(uint64(d.Source)), order: idle{},
	}
	if d.Deflate {
		s.pattern.compress()
	}
	if len(d.TLS) > 0 {
		if s.tls, err = tlsConfig(d.TLS); err != nil {
			p.Close()
			return nil, err
		}
		s.plain = make([]byte, readMax)
	}
	s.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err == nil {
		err = p.Add(s.timer, timerToken)
	}
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("load: timer: %w", err)
	}
	return s, nil
}

// Close resets every connection and gives up what the Session holds.
func (s *Session) Close() error {
	s.order = idle{}
	for _, c := range s.conns {
		if c != nil {
			s.drop(c)
		}
	}
	unix.Close(s.timer)
	return s.poller.Close()
}

// Open is how many connections are open.
func (s *Session) Open() int { return s.opened }

func (s *Session) clock() time.Duration { return time.Since(s.epoch) }

func (s *Session) serverCPU() time.Duration {
	d, err := proc.CPU(s.dial.ServerPIDs...)
	if err != nil {
		s.failures.Add(Closed, 1, "the server process is gone: %v", err)
	}
	return d
}

// poll waits for events and lets the connections have them.
func (s *Session) poll(timeout time.Duration) error {
	n, err := s.poller.Wait(s.events, timeout)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	s.now = s.clock()
	for _, ev := range s.events[:n] {
		if ev.Token == timerToken {
			var expirations [8]byte
			_, _ = unix.Read(s.timer, expirations[:]) // the next edge needs it read
			continue
		}
		if c := s.conns[ev.Token]; c != nil {
			s.handle(c, ev)
		}
	}
	return nil
}

func (s *Session) handle(c *conn, ev poller.Event) {
	if c.state == connecting {
		if !ev.Writable {
			return
		}
		s.connected(c)
	} else if ev.Writable && len(c.out) > 0 {
		s.flush(c)
	}
	if ev.Readable && c.state != gone && c.state != connecting && !c.stalled {
		s.read(c, ev.Hangup)
	}
}

// read takes everything the kernel has for c.
func (s *Session) read(c *conn, hangup bool) {
	for c.state != gone {
		n, err := recv(c.fd, s.buf)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			s.order.turn(c)
			return
		case err != nil:
			s.ended(c, err.Error())
			return
		case n == 0:
			s.ended(c, "end of stream")
			return
		}
		s.now = s.clock()
		s.take(c, s.buf[:n])
		if n < len(s.buf) && !hangup {
			break
		}
	}
	if c.state != gone {
		s.order.turn(c)
	}
}

// take has bytes decrypted, if they have to be.
func (s *Session) take(c *conn, b []byte) {
	ch := c.tls
	if ch == nil {
		s.consume(c, b)
		return
	}
	ch.in = b
	if ch.next != nil {
		done, err := ch.shake(b)
		s.send(c)
		switch {
		case err != nil && c.state != gone:
			s.ended(c, err.Error())
		case done && c.state != gone:
			s.write(c, s.request)
		}
		if !done {
			return
		}
	}
	for c.state != gone {
		n, err := ch.open(s.plain)
		if n > 0 {
			s.consume(c, s.plain[:n])
		}
		switch {
		case c.state == gone:
		case err != nil:
			s.ended(c, err.Error())
		case n == 0:
			s.send(c) // TLS may have answered by itself
			return
		}
	}
}

func (s *Session) consume(c *conn, b []byte) {
	if c.state == upgrading {
		var whole bool
		if b, whole = s.response(c, b); !whole {
			return
		}
	}
	var f *fault
	if c.caller != nil {
		f = c.caller.receive(b, s.now)
	} else {
		f = c.feed(b, s.pattern, s)
	}
	if f != nil && c.state != gone {
		s.failures.Add(f.kind, 1, "%s", f.text)
		s.drop(c)
	}
}

// ended deals with a connection the server has given up.
func (s *Session) ended(c *conn, how string) {
	switch c.state {
	case connecting, upgrading:
		s.failures.Add(Refused, 1, "connection %d: %s before the opening handshake was done", c.id, how)
	case open, closing:
		s.failures.Add(Closed, 1, "connection %d with %d messages unanswered: %s", c.id, c.unanswered, how)
	}
	s.drop(c)
}

// drop closes c at once. Its unanswered messages are no failures any more:
// whatever made it go was counted.
func (s *Session) drop(c *conn) {
	switch c.state {
	case gone:
		return
	case connecting, upgrading:
		s.busy--
	case open, closing:
		s.opened--
	}
	s.unanswered -= c.unanswered
	c.unanswered = 0
	c.state = gone
	if c.tls != nil {
		c.tls.free()
	}
	_ = s.poller.Remove(c.fd)
	// A reset leaves no TIME-WAIT behind, which would use up the ports.
	_ = unix.SetsockoptLinger(c.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	unix.Close(c.fd)
	s.conns[c.id] = nil
	s.order.lost(c)
}

// begin implements sink.
func (s *Session) begin(c *conn, h header) *fault {
	if s.textual {
		if h.op != opText || h.length > textMax {
			return &fault{Length, fmt.Sprintf("connection %d: opcode %d, %d bytes", c.id, h.op, h.length)}
		}
		c.whole = true
		return nil
	}
	if h.op != s.op {
		return &fault{Opcode, fmt.Sprintf("connection %d, message %d: opcode %d, want %d", c.id, c.base, h.op, s.op)}
	}
	if h.length != uint64(s.size) {
		return &fault{Length, fmt.Sprintf("connection %d, message %d: %d bytes, want %d", c.id, c.base, h.length, s.size)}
	}
	return nil
}

// textMax bounds a text, in bytes: a list of all members of a channel is the longest.
const textMax = 4 << 20

// text implements sink.
func (s *Session) text(c *conn, payload []byte) *fault { return s.order.text(c, payload) }

// accept implements sink.
func (s *Session) accept(c *conn, l lead) *fault {
	if s.expect != nil {
		return s.expect(c, l)
	}
	if l.conn != c.id || l.run != s.runs {
		return &fault{Stranger, fmt.Sprintf("connection %d in run %d got a message of connection %d, run %d", c.id, s.runs, l.conn, l.run)}
	}
	return nil
}

// message implements sink.
func (s *Session) message(c *conn, l lead) *fault {
	if s.expect != nil {
		s.order.replied(c, l.seq, 0)
		return nil
	}
	sent, overtaken, f := c.answer(l.seq)
	if f != nil {
		return f
	}
	s.unanswered--
	s.failures.Add(Reordered, overtaken, "connection %d: message %d came after %d newer ones", c.id, l.seq, overtaken)
	s.order.replied(c, l.seq, sent)
	return nil
}

// control implements sink.
func (s *Session) control(c *conn, op byte, payload []byte) *fault {
	switch {
	case op == opPing:
		s.write(c, appendControl(nil, opPong, payload, s.pattern.key))
	case op == opPong:
		return s.order.control(c, op, payload)
	case c.state != closing:
		return &fault{Closed, fmt.Sprintf("connection %d: Close frame %q", c.id, payload)}
	default:
		f := s.order.control(c, op, payload)
		s.drop(c)
		return f
	}
	return nil
}

// write sends b, or keeps what the kernel does not take.
func (s *Session) write(c *conn, b []byte) {
	if c.tls == nil {
		s.push(c, b)
		return
	}
	if _, err := c.tls.conn.Write(b); err != nil {
		s.ended(c, err.Error())
		return
	}
	s.send(c)
}

// send pushes what TLS has to say.
func (s *Session) send(c *conn) {
	if b := c.tls.out; len(b) > 0 && c.state != gone {
		c.tls.out = c.tls.out[:0]
		s.push(c, b)
	}
}

// push is write for bytes as they are on the wire.
func (s *Session) push(c *conn, b []byte) {
	if len(c.out) > 0 {
		c.out = append(c.out, b...)
		return
	}
	for len(b) > 0 {
		n, err := send(c.fd, b)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			c.out = append(c.out, b...)
			return
		case err != nil:
			s.ended(c, err.Error())
			return
		}
		b = b[n:]
	}
}

func (s *Session) flush(c *conn) {
	b := c.out
	c.out = nil
	s.push(c, b)
	if len(c.out) == 0 && c.state == open {
		s.order.turn(c)
	}
}

// source is the local address of connection id. Each of a loopback's many
// addresses has ports of its own.
func (s *Session) source(id uint32) [4]byte {
	const spread = 64
	i := s.dial.Source + int(id%spread)
	return [4]byte{127, 1, byte(i / 250), byte(i%250 + 1)}
}

// splitHeader cuts a response after its blank line.
func splitHeader(b []byte) (head, rest []byte, ok bool) {
	if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
		return b[:i+4], b[i+4:], true
	}
	return b, nil, false
}
