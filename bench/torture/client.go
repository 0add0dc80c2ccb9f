package torture

import (
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// Client is one connection to the server under test, over TCP or over TLS. One goroutine reads
// and judges all the time; the case writes, and takes events one by one.
type Client struct {
	tcp   *net.TCPConn
	conn  stream // what is written and read: tcp itself, or TLS over it
	log   transcript
	gap   time.Duration
	limit time.Duration // of one write
	pongs bool          // next answers the server's pings: it writes between frames only

	socket string // what a Pusher server calls the connection

	mu     sync.Mutex
	events []Event       // not taken yet
	fresh  chan struct{} // one token: events were added
	ended  bool          // an event that nothing can follow was seen, or a Close
	paused chan struct{} // not nil: the reader waits until it is closed
	heard  time.Time     // when bytes came last

	tally *tally
	gone  sync.Once // it does not count as open any more

	http     responses // the reader's own
	frames   parser
	switched bool
	records  *plainRecords // not nil: what comes is TLS that nobody has agreed on
}

// stream is a connection that can be ended on one side.
type stream interface {
	io.ReadWriter
	CloseWrite() error
}

// dial connects, and does the TLS handshake where there is one.
func dial(o *Options) (*Client, error) {
	c, err := connect(o)
	if err != nil || !o.secure {
		return c, err
	}
	if err := c.encrypt(o.honest(), o.Timeout, nil); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// connect opens a TCP connection.
func connect(o *Options) (*Client, error) {
	d := net.Dialer{Timeout: o.Timeout}
	nc, err := d.Dial("tcp", o.addr)
	if err != nil {
		return nil, err
	}
	return o.over(nc.(*net.TCPConn))
}

// over is a client on a TCP connection.
func (o *Options) over(tcp *net.TCPConn) (*Client, error) {
	c := &Client{tcp: tcp, conn: tcp, gap: o.Gap, limit: patience * o.Timeout, fresh: make(chan struct{}, 1), tally: o.tally}
	c.tally.conns.Add(1)
	c.tally.open.Add(1)
	c.log.start = time.Now()
	c.log.note("connected from %v", c.tcp.LocalAddr())
	return c, nil
}

// listen starts to read; head says that the requests are HEAD.
func (c *Client) listen(head bool) {
	c.http.head = head
	go c.read()
}

// read turns all that arrives into events.
func (c *Client) read() {
	buf := make([]byte, 64<<10)
	for {
		c.wait()
		n, err := c.conn.Read(buf)
		if n > 0 {
			c.log.add(false, buf[:n])
			c.mu.Lock()
			c.heard = time.Now()
			c.mu.Unlock()
			c.deliver(c.judge(buf[:n])...)
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, net.ErrClosed) {
			c.finish(err)
		}
		return
	}
}

// finish tells what came after the last byte.
func (c *Client) finish(err error) {
	var alert alertError
	if errors.As(err, &alert) {
		c.deliver(Event{Kind: Alert, Code: uint16(alert)})
		c.deliver(c.fin(alert.Error()+" received", false)) // some say close_notify, too
		return
	}
	if err != io.EOF && err != io.ErrUnexpectedEOF {
		c.log.note("read: %v", err)
		e := Event{Kind: Reset, Why: err.Error()}
		if brokenTLS(err) {
			e.Kind = Violation
		}
		c.deliver(e)
		return
	}
	if e, bad := c.end(); bad {
		c.deliver(e)
	}
	if err == io.ErrUnexpectedEOF {
		c.log.note("FIN received %s", withoutNotify)
		c.deliver(Event{Kind: EOF, Why: withoutNotify})
		return
	}
	c.deliver(c.fin("close_notify received", true))
}

// end is what is wrong with an end of the stream here.
func (c *Client) end() (e Event, bad bool) {
	switch {
	case c.records != nil:
		return c.records.end()
	case c.switched:
		return c.frames.end()
	}
	return c.http.end()
}

func (c *Client) judge(b []byte) []Event {
	if c.records != nil {
		return c.records.feed(b)
	}
	if c.switched {
		return c.frames.feed(b)
	}
	events, rest, switched := c.http.feed(b)
	if switched {
		c.switched = true
		c.frames.deflate = inflaterFor(events[len(events)-1].Header)
		events = append(events, c.frames.feed(rest)...)
	}
	return events
}

func (c *Client) deliver(events ...Event) {
	if len(events) == 0 {
		return
	}
	c.mu.Lock()
	c.events = append(c.events, events...)
	c.tally.count(events)
	last := events[len(events)-1]
	c.ended = c.ended || last.over() || last.Kind == Close
	c.mu.Unlock()
	select {
	case c.fresh <- struct{}{}:
	default:
	}
}

// over reports whether the server has said its last word.
func (c *Client) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// answered reports whether there is an event to be taken.
func (c *Client) answered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.events) > 0
}

// next takes the next event, Silence when no byte of one comes in time. Pings
// of the server's own keep-alive are passed over: no case lasts until they must
// be answered, except those that set pongs.
func (c *Client) next(within time.Duration) Event {
	start := time.Now()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	for late := false; ; {
		e, heard := c.take()
		if e.Kind == Ping && c.pongs {
			c.write(wireOf(pong(string(e.Payload))).Bytes)
		}
		switch {
		case e.Kind == Ping:
			continue
		case e.Kind != Silence:
			return e
		case late:
			// A long message on a busy machine: as long as it comes, we wait.
			left := time.Until(heard.Add(within))
			if left <= 0 || time.Since(start) > patience*within {
				return Event{Kind: Silence, Why: within.String()}
			}
			deadline.Reset(left)
		}
		select {
		case <-c.fresh:
			late = false
		case <-deadline.C:
			late = true
		}
	}
}

// take takes an event if there is one, and says when bytes came last.
func (c *Client) take() (Event, time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.events) == 0 {
		return Event{Kind: Silence}, c.heard
	}
	e := c.events[0]
	c.events = c.events[1:]
	return e, c.heard
}

// idle reports whether no event waits to be taken.
func (c *Client) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.events) == 0
}

// patience is how many times longer than silence something may take that goes on coming.
const patience = 6

// write sends b in one write. An error is not the case's failure: the server
// may have ended the connection, and what it said before is judged.
func (c *Client) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	c.tcp.SetWriteDeadline(time.Now().Add(c.limit))
	n, err := c.conn.Write(b)
	c.tally.writes.Add(1)
	c.tally.bytes.Add(int64(n))
	c.log.add(true, b[:n])
	if err != nil {
		c.log.note("write: %v", err)
	}
	return err
}

// trickleFor bounds the pauses of one trickle: on a busy machine a millisecond
// becomes ten, and the server has deadlines.
const trickleFor = time.Second

// trickle sends each piece in a write of its own until the server has said its last word.
func (c *Client) trickle(pieces [][]byte) {
	start := time.Now()
	for i, p := range pieces {
		if i > 0 && time.Since(start) < trickleFor {
			time.Sleep(c.gap)
		}
		if c.over() || c.write(p) != nil {
			return
		}
	}
}

// split sends b in two writes.
func (c *Client) split(b []byte, at int) {
	if c.write(b[:at]) != nil {
		return
	}
	time.Sleep(c.gap)
	c.write(b[at:])
}

// chop sends b in writes of size bytes without a pause.
func (c *Client) chop(b []byte, size int) {
	for len(b) > 0 {
		n := min(size, len(b))
		if c.over() || c.write(b[:n]) != nil {
			return
		}
		b = b[n:]
	}
}

// shutdown sends FIN; the connection stays readable.
func (c *Client) shutdown() {
	c.log.note("FIN sent")
	c.conn.CloseWrite()
}

// abort ends the connection with RST.
func (c *Client) abort() {
	c.tcp.SetLinger(0)
	c.close()
}

// pause stops reading, so that the server meets a full window; resume goes on.
// A read that has begun is not called back: at most one more buffer is read.
func (c *Client) pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paused = make(chan struct{})
}

// wait waits while the client does not read.
func (c *Client) wait() {
	c.mu.Lock()
	paused := c.paused
	c.mu.Unlock()
	if paused != nil {
		<-paused
	}
}

func (c *Client) resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paused != nil {
		close(c.paused)
		c.paused = nil
	}
}

// close releases the socket.
func (c *Client) close() {
	c.tcp.Close()
	c.gone.Do(func() { c.tally.open.Add(-1) })
}

// acceptOf is the Sec-WebSocket-Accept of a key: RFC 6455, 1.3.
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// judge101 says what is wrong with a 101 response; empty when nothing is.
// protocols and extensions are those that the request offers.
func judge101(e Event, key string, protocols []string, extensions string) string {
	if e.Status != 101 {
		return fmt.Sprintf("status %d for 101", e.Status)
	}
	one := func(name string) (string, bool) {
		v := e.Header[name]
		return fmt.Sprint(v), len(v) == 1
	}
	if v, ok := one("Upgrade"); !ok || !strings.EqualFold(e.Header["Upgrade"][0], "websocket") {
		return "Upgrade: " + v
	}
	if v, ok := one("Connection"); !ok || !strings.EqualFold(e.Header["Connection"][0], "upgrade") {
		return "Connection: " + v
	}
	if v, ok := one("Sec-Websocket-Accept"); !ok || e.Header["Sec-Websocket-Accept"][0] != acceptOf(key) {
		return "Sec-WebSocket-Accept: " + v + " for " + acceptOf(key)
	}
	if v := e.Header["Sec-Websocket-Protocol"]; len(v) > 1 || len(v) == 1 && !slices.Contains(protocols, v[0]) {
		return fmt.Sprintf("Sec-WebSocket-Protocol: %q was not offered so", v)
	}
	if v := e.Header["Sec-Websocket-Extensions"]; len(v) > 0 {
		if why := judgeExtensions(strings.Join(v, ", "), extensions); why != "" {
			return fmt.Sprintf("Sec-WebSocket-Extensions: %q for %q: %s", v, extensions, why)
		}
	}
	return ""
}
