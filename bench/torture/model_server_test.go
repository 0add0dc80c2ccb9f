package torture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// model is an echo server written from RFC 6455 as plainly as possible: a
// goroutine per connection, blocking reads, a byte at a time where that is
// simpler. The whole suite must pass against it, which shows that the suite
// asks for nothing contradictory; and with a defect planted in it, the cases
// that guard against that defect must fail.
type model struct {
	defect string
	o      Options // the limits
	url    string
	swap   chan []byte // defect mix-up: payloads of other connections
	ln     net.Listener
	tls    *modelTLS // nil: it speaks plain TCP

	mu    sync.Mutex
	conns map[*net.TCPConn]bool // that are being served
	open  []*modelConn          // whose handshake is done
	kept  int                   // defect keeps-places: how many have left
	over  chan struct{}         // closed: it is to end
	left  []byte                // defects: what an inflater handed on, or one that is armed
}

// startModel serves on a free port until the test ends.
func startModel(t *testing.T, defect string, o Options) *model {
	t.Helper()
	return startModelOver(t, defect, o, nil)
}

// startModelOver is startModel with TLS, perhaps.
func startModelOver(t *testing.T, defect string, o Options, over *modelTLS) *model {
	t.Helper()
	m, err := newModel(defect, o, over)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.ln.Close() })
	return m
}

// newModel serves until its listener is closed.
func newModel(defect string, o Options, over *modelTLS) (*model, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &model{defect: defect, o: o, url: "ws://" + ln.Addr().String() + "/echo", swap: make(chan []byte, 1), ln: ln, tls: over, conns: map[*net.TCPConn]bool{}, over: make(chan struct{})}
	if over != nil {
		m.url = "wss" + strings.TrimPrefix(m.url, "ws")
		m.o.Roots = over.roots
	}
	m.o.URL = m.url
	if err := m.o.prepare(); err != nil {
		return nil, err
	}
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go m.serve(nc.(*net.TCPConn))
		}
	}()
	return m, nil
}

// has reports whether the model was given the defect.
func (m *model) has(defect string) bool { return m.defect == defect }

// fault is why a connection is failed.
type fault uint16

func (f fault) Error() string { return "fault" }

// modelStream is a TCP connection, or TLS over one.
type modelStream interface {
	net.Conn
	CloseWrite() error
}

// modelConn is one connection of the model.
type modelConn struct {
	*model
	tcp modelStream
	in  *bufio.Reader

	op       byte // of the fragmented message that is coming; 0 outside
	message  []byte
	pieces   int    // fragments of it
	rune     []byte // the beginning of a code point
	held     []byte // defect pong-late: the pong that waits
	farewell farewell
	signs

	deflate  bool   // permessage-deflate was agreed on
	squeezed bool   // the message that is coming is compressed
	remember bool   // messages may refer to those before, in either direction
	past     []byte // what the client's may refer to
	sent     []byte // what ours may refer to
	total    int    // defect limit-per-connection: of all that was inflated
	codec    []byte // defect keeps-codec
}

func (m *model) serve(accepted *net.TCPConn) {
	defer accepted.Close()
	m.keep(accepted, true)
	defer m.keep(accepted, false)
	if m.turnsAway(accepted) {
		return
	}
	tcp := modelStream(accepted)
	if m.tls != nil {
		if tcp = m.encrypt(accepted); tcp == nil {
			return
		}
		defer m.end(accepted, tcp)
	}
	c := &modelConn{model: m, tcp: tcp}
	c.in = bufio.NewReaderSize(c, 64<<10)
	if m.has("silent-newcomers") && m.ending() {
		io.Copy(io.Discard, c.in)
		return
	}
	if !m.has("patient") {
		tcp.SetReadDeadline(time.Now().Add(m.o.HandshakeTimeout))
	}
	if !c.handshake() {
		return
	}
	tcp.SetReadDeadline(time.Time{})
	m.opened(c)
	defer m.closed(c)
	if m.o.SilenceTimeout > 0 {
		go c.keepAlive()
	}
	if m.has("lose-early") {
		c.in.Reset(tcp)
	}
	for {
		err := c.frame()
		if err == nil {
			continue
		}
		var f fault
		if errors.As(err, &f) {
			if c.has("dies") {
				c.ln.Close()
			}
			if c.has("dies-later") {
				c.resetOthers()
			}
			c.fail(uint16(f))
		}
		return
	}
}

// fail sends Close, then FIN, then discards.
func (c *modelConn) fail(code uint16) {
	if c.has("wrong-code") && code == 1007 || c.has("wrong-size-code") && code == 1009 {
		code = 1002
	}
	var payload []byte
	if code != noCode {
		payload = binary.BigEndian.AppendUint16(nil, code)
	}
	if c.has("no-close") {
		return
	}
	c.send(opClose, payload)
	if c.has("two-closes") {
		c.send(opClose, payload)
	}
	if c.has("pong-after-close") {
		c.send(opPong, nil)
	}
	c.hangUp()
}

func (c *modelConn) hangUp() {
	if c.has("hard-close") {
		return
	}
	if !c.has("no-fin") {
		c.tcp.CloseWrite()
	}
	if c.has("no-linger") {
		time.Sleep(2 * time.Millisecond)
		return
	}
	patience := c.o.CloseTimeout
	if c.has("eternal-linger") {
		patience = time.Hour
	}
	c.tcp.SetReadDeadline(time.Now().Add(patience))
	io.CopyN(io.Discard, c.in, 1<<20)
}

// header is the first bytes of a frame, judged as they come.
func (c *modelConn) frame() error {
	var head [14]byte
	if _, err := io.ReadFull(c.in, head[:1]); err != nil {
		return err
	}
	op, fin, control := head[0]&0x0f, head[0]&0x80 != 0, head[0]&0x08 != 0
	if !control {
		c.begins()
	}
	first := op == opText || op == opBinary
	if rsv := head[0] & 0x70; rsv != 0 && !c.has("any-rsv") && !(rsv == rsv1 && c.deflate && (first || c.has("any-rsv1"))) {
		if c.has("arms-others") {
			c.leave([]byte("armed"))
		}
		return fault(1002)
	}
	if first {
		c.squeezed = head[0]&rsv1 != 0 && c.deflate
		if op == opBinary && c.has("arms-others") && c.leave(nil) != nil {
			c.squeezed = true
		}
	}
	if (op > opBinary && op < opClose || op > opPong) && !c.has("any-opcode") {
		return fault(1002)
	}
	if control && !fin && !c.has("fragmented-control") {
		return fault(1002)
	}
	if !control && (op == opCont) == (c.op == 0) && !c.has("any-order") {
		return fault(1002)
	}
	if _, err := io.ReadFull(c.in, head[1:2]); err != nil {
		return err
	}
	if head[1]&0x80 == 0 && !c.has("no-mask") {
		return fault(1002)
	}
	if control && head[1]&0x7f > 125 && !c.has("long-control") {
		return fault(1002)
	}
	n, err := c.length(head[1] & 0x7f)
	if err != nil {
		return err
	}
	if !control {
		limit := uint64(c.o.MaxMessage)
		if c.has("limit-off-by-one") {
			limit++
		}
		if c.has("no-inflated-limit") && c.squeezed {
			limit = frameMax
		}
		if n > limit || n+uint64(len(c.message)) > limit {
			return fault(1009)
		}
		if c.pieces++; c.pieces > c.o.MaxFragments && !c.has("any-fragments") {
			return fault(1008)
		}
	}
	var key [4]byte
	if head[1]&0x80 != 0 {
		if _, err := io.ReadFull(c.in, key[:]); err != nil {
			return err
		}
	}
	return c.payload(op, fin, control, int(n), key)
}

func (c *modelConn) length(n7 byte) (uint64, error) {
	var b [8]byte
	switch n7 {
	case 126:
		if _, err := io.ReadFull(c.in, b[6:]); err != nil {
			return 0, err
		}
	case 127:
		if _, err := io.ReadFull(c.in, b[:]); err != nil {
			return 0, err
		}
	default:
		return uint64(n7), nil
	}
	n := binary.BigEndian.Uint64(b[:])
	if n>>63 != 0 && !c.has("any-msb") {
		return 0, fault(1002)
	}
	if (n7 == 126 && n < 126 || n7 == 127 && n < 65536) && !c.has("any-length") {
		return 0, fault(1002)
	}
	return n, nil
}

func (c *modelConn) payload(op byte, fin, control bool, n int, key [4]byte) error {
	whole := op
	if op == opCont {
		whole = c.op
	}
	p := make([]byte, 0, min(n, 1<<20))
	buf := make([]byte, 32<<10)
	for len(p) < n {
		k, err := c.in.Read(buf[:min(len(buf), n-len(p))])
		if err != nil {
			if c.has("keeps-half") {
				c.send(op, p)
			}
			return err
		}
		at := len(p)
		if c.has("mask-restarts") {
			at = 0
		}
		for i := range k {
			p = append(p, buf[i]^key[(at+i)&3])
		}
		if whole == opText && !control && !c.squeezed && !c.has("late-utf8") && !c.has("no-utf8") && !c.valid(p[len(p)-k:]) {
			return fault(1007)
		}
	}
	if control {
		return c.control(op, p)
	}
	if c.op == 0 {
		c.op = op
	}
	c.message = append(c.message, p...)
	if c.has("utf8-per-fragment") {
		c.rune = nil
	}
	if !fin {
		return nil
	}
	return c.finish()
}

// finish echoes a whole message.
func (c *modelConn) finish() error {
	op, message := c.op, c.message
	c.op, c.message, c.pieces = 0, nil, 0
	c.ends()
	if c.squeezed {
		var f fault
		if message, f = c.inflate(message); f != 0 {
			return f
		}
		if op == opText && !utf8.Valid(message) && !c.has("no-inflated-utf8") {
			return fault(1007)
		}
		if c.has("mixes-messages") {
			message = c.swapped(message)
		}
	}
	if op == opText && (len(c.rune) > 0 || c.has("late-utf8") && !utf8.Valid(message)) && !c.has("no-utf8") {
		return fault(1007)
	}
	if c.has("truncates") && len(message) > 65535 {
		message = message[:65535]
	}
	if c.has("drops-before-fin") {
		c.tcp.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if _, err := c.in.Peek(1); err == io.EOF {
			return err
		}
		c.tcp.SetReadDeadline(time.Time{})
	}
	if err := c.send(op, message); err != nil {
		return err
	}
	if c.held != nil {
		held := c.held
		c.held = nil
		return c.send(opPong, held)
	}
	return nil
}

// valid goes on checking UTF-8, byte by byte.
func (c *modelConn) valid(p []byte) bool {
	for _, b := range p {
		if len(c.rune) == 0 && b < utf8.RuneSelf {
			continue
		}
		c.rune = append(c.rune, b)
		if !utf8.FullRune(c.rune) {
			continue
		}
		if r, size := utf8.DecodeRune(c.rune); r == utf8.RuneError && size == 1 {
			return false
		}
		c.rune = c.rune[:0]
	}
	return true
}

func (c *modelConn) control(op byte, p []byte) error {
	switch op {
	case opPing:
		switch {
		case c.has("no-pong"):
			return nil
		case c.has("pong-late") && c.op != 0:
			c.held = p
			return nil
		case c.has("mix-up"):
			select {
			case other := <-c.swap:
				p, other = other, p
			default:
				select {
				case c.swap <- p:
				default:
				}
			}
		}
		return c.send(opPong, p)
	case opPong:
		c.pong(p)
		return nil
	}
	if c.has("ignores-close") {
		return nil
	}
	if len(p) == 0 {
		return fault(noCode)
	}
	if len(p) == 1 {
		return fault(1002)
	}
	code := binary.BigEndian.Uint16(p)
	if !legalCode(code) && !c.has("any-code") {
		return fault(1002)
	}
	if !utf8.Valid(p[2:]) && !c.has("any-reason") {
		return fault(1007)
	}
	return fault(code)
}

// send writes one frame.
func (c *modelConn) send(op byte, p []byte) error {
	f := Frame{Op: op, Bare: !c.has("masks"), Payload: p, Mask: maskK}
	if c.has("wide-reply") && op == opText {
		f.Wide = 8
	}
	if c.deflate && op <= opBinary && len(p) > 0 && !c.has("plain-replies") {
		f.RSV, f.Payload = rsv1, c.squeeze(p)
		if c.has("keeps-tail") {
			f.Payload = append(f.Payload, flateEnd[:4]...)
		}
	}
	if c.has("rsv-reply") && op == opPong {
		f.RSV = 0x20
	}
	b, _ := f.append(nil)
	if c.has("half-frame") && op == opClose {
		b = b[:len(b)-1]
	}
	if !c.farewell.begin(c, op, p) {
		return nil
	}
	defer c.farewell.mu.Unlock()
	if c.written++; c.has("loses-one") && c.written == 20_000 {
		return nil
	}
	if c.o.StallTimeout > 0 && !c.has("never-stalls") {
		c.tcp.SetWriteDeadline(time.Now().Add(c.o.StallTimeout))
	}
	_, err := c.tcp.Write(b)
	return err
}

// tokenIn reports whether a list has a token, by substring with the defect.
func (m *model) tokenIn(list, want string) bool {
	if m.has("substring") {
		return strings.Contains(strings.ToLower(list), want)
	}
	return slices.ContainsFunc(strings.Split(list, ","), func(s string) bool {
		return strings.EqualFold(strings.Trim(s, " \t"), want)
	})
}
