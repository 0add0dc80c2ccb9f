package load

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The example of RFC 6455, 1.3: a benchmark has no cache to fool, and one key
// for all saves the client a SHA-1 per connection.
const (
	handshakeKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	handshakeAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// responseMax bounds the response to an opening handshake, in bytes.
const responseMax = 16 << 10

// connectOrder opens connections, so many at one time.
type connectOrder struct {
	idle
	s      *Session
	left   int // still to begin
	result *Opened
}

// Connect opens connections. Its error is the client's own; what the server
// did wrong is in the result.
func (s *Session) Connect(o Connect, progress func(Progress)) (*Opened, error) {
	path := o.Path
	if path == "" {
		path = s.dial.Path
	}
	s.request = s.handshake(path)
	s.stall = o.Stalled
	defer func() { s.stall = false }()
	order := &connectOrder{s: s, left: o.Count, result: &Opened{Handshake: NewHistogram()}}
	s.order, s.failures = order, Failures{}
	defer func() { s.order = idle{} }()
	cpu, start := s.serverCPU(), s.clock()
	tell := ticker(progress)
	for {
		for order.left > 0 && s.busy < max(1, o.Concurrency) {
			order.left--
			if err := s.dialOne(); err != nil {
				return nil, err
			}
		}
		if s.busy == 0 && order.left == 0 {
			break
		}
		if err := s.poll(100 * time.Millisecond); err != nil {
			return nil, err
		}
		if s.now-start > o.Deadline {
			s.failures.Add(Refused, uint64(s.busy+order.left), "not open %v after the first attempt", o.Deadline)
			order.left = 0
			for _, c := range s.conns {
				if c != nil && (c.state == connecting || c.state == upgrading) {
					s.drop(c)
				}
			}
			break
		}
		tell(Progress{Done: uint64(order.result.Opened), Elapsed: s.now - start})
	}
	order.result.Elapsed = s.clock() - start
	order.result.ServerCPU = s.serverCPU() - cpu
	order.result.Failures = s.failures
	return order.result, nil
}

// handshake is the client's side of an opening handshake.
func (s *Session) handshake(path string) []byte {
	offer := ""
	if s.dial.Deflate {
		offer = "Sec-WebSocket-Extensions: " + deflateOffer + "\r\n"
	}
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n%s\r\n", path, s.dial.Addr, handshakeKey, offer)
}

func (o *connectOrder) opened(c *conn) {
	o.result.Opened++
	o.result.Handshake.Record(o.s.now - c.began)
}

// dialOne starts to connect one connection. Out of descriptors or ports is the
// client's own trouble and an error.
func (s *Session) dialOne() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("load: socket: %w", err)
	}
	c := &conn{id: uint32(len(s.conns)), fd: fd, began: s.clock()}
	// The port is chosen at connect, where the server's address makes more of
	// them usable than a bind alone could know.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if s.stall {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1) // the kernel's least
	}
	if s.addr.Addr().IsLoopback() {
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: s.source(c.id)}); err != nil {
			unix.Close(fd)
			return fmt.Errorf("load: bind: %w", err)
		}
	}
	err = unix.Connect(fd, &unix.SockaddrInet4{Addr: s.addr.Addr().As4(), Port: int(s.addr.Port())})
	if err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		if err == unix.ECONNREFUSED {
			s.failures.Add(Refused, 1, "connection %d: %v", c.id, err)
			return nil
		}
		return fmt.Errorf("load: connect: %w", err)
	}
	s.conns = append(s.conns, c)
	s.busy++
	if err := s.poller.Add(fd, uint64(c.id)); err != nil {
		s.drop(c)
		return fmt.Errorf("load: %w", err)
	}
	return nil
}

// connected sends the opening handshake once connect(2) has finished.
func (s *Session) connected(c *conn) {
	if code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || code != 0 {
		s.ended(c, unix.Errno(code).Error())
		return
	}
	if c.caller != nil {
		c.state = open
		s.busy--
		s.opened++
		return
	}
	c.state = upgrading
	if s.tls != nil {
		c.tls = newChannel(s.tls)
		s.send(c)
		return
	}
	s.write(c, s.request)
}

// response collects the server's answer to the handshake; rest is what
// followed it.
func (s *Session) response(c *conn, b []byte) (rest []byte, whole bool) {
	c.collect = append(c.collect, b...)
	head, rest, whole := splitHeader(c.collect)
	if !whole {
		if len(c.collect) > responseMax {
			s.ended(c, "the response has no end")
		}
		return nil, false
	}
	if wrong := checkResponse(string(head), s.dial.Deflate); wrong != "" {
		s.ended(c, wrong)
		return nil, false
	}
	c.collect = nil
	c.state = open
	c.stalled = s.stall
	s.busy--
	s.opened++
	s.order.opened(c)
	return rest, true
}

// checkResponse says what is wrong with the server's side of an opening
// handshake, see RFC 6455, 4.1.
func checkResponse(head string, deflate bool) string {
	status, fields, _ := strings.Cut(head, "\r\n")
	if !strings.HasPrefix(status, "HTTP/1.1 101 ") {
		return fmt.Sprintf("the response is %q", status)
	}
	var upgrade, connection, accept, compresses bool
	for line := range strings.SplitSeq(fields, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "upgrade":
			upgrade = strings.EqualFold(value, "websocket")
		case "connection":
			connection = strings.EqualFold(value, "upgrade")
		case "sec-websocket-accept":
			accept = value == handshakeAccept
		case "sec-websocket-extensions":
			if !deflate {
				return fmt.Sprintf("the response has a %s that was not offered", name)
			}
			compresses = strings.HasPrefix(value, "permessage-deflate") && strings.Contains(value, "server_no_context_takeover")
		case "sec-websocket-protocol":
			return fmt.Sprintf("the response has a %s that was not offered", name)
		}
	}
	if !upgrade || !connection || !accept {
		return fmt.Sprintf("the response lacks a right Upgrade, Connection or Sec-WebSocket-Accept: %q", head)
	}
	if compresses != deflate {
		return fmt.Sprintf("the server does not compress as it was offered: %q", head)
	}
	return ""
}

// ticker limits progress reports to a few a second.
func ticker(progress func(Progress)) func(Progress) {
	var last time.Duration
	return func(p Progress) {
		if progress != nil && p.Elapsed-last > 250*time.Millisecond {
			last = p.Elapsed
			progress(p)
		}
	}
}
