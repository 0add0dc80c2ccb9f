package torture

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What the model has of limits and deadlines that not every server has.

// turnsAway refuses a connection that is one too many, or of an address that has enough.
func (m *model) turnsAway(c *net.TCPConn) bool {
	if m.o.MaxConns == 0 && m.o.MaxPerAddress == 0 {
		return false
	}
	of := func(c *net.TCPConn) string {
		if m.has("v4-is-one") {
			return ""
		}
		host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
		return host
	}
	m.mu.Lock()
	all, own := len(m.conns)+m.kept, m.kept
	for other := range m.conns {
		if of(other) == of(c) {
			own++
		}
	}
	m.mu.Unlock()
	status := 0
	switch {
	case m.o.MaxConns > 0 && all > m.o.MaxConns && !m.has("any-number"):
		status = 503
	case m.o.MaxPerAddress > 0 && own > m.o.MaxPerAddress && !m.has("any-address"):
		status = 429
	default:
		return false
	}
	if m.has("silent-when-full") {
		io.Copy(io.Discard, c)
		return true
	}
	fmt.Fprintf(c, "HTTP/1.1 %d No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", status)
	c.CloseWrite()
	c.SetReadDeadline(time.Now().Add(time.Second))
	io.Copy(io.Discard, c)
	return true
}

// allows compares the Origin of a request, if it has one.
func (m *model) allows(origins []string) bool {
	_, host, _ := strings.Cut(m.o.Origin, "://")
	switch {
	case m.o.Origin == "" || len(origins) == 0 || m.has("any-origin"):
		return true
	case m.has("origin-suffix"):
		return strings.HasSuffix(origins[0], host)
	case m.has("origin-prefix"):
		return strings.HasPrefix(origins[0], m.o.Origin)
	case m.has("first-origin"):
		return origins[0] == m.o.Origin
	}
	return len(origins) == 1 && origins[0] == m.o.Origin
}

// signs is what a connection of the model knows of its client's life.
type signs struct {
	heard   atomic.Int64 // when bytes came last, in nanoseconds
	pinged  atomic.Bool  // a Ping has no answer yet
	due     time.Time    // of the message that has begun; zero outside
	written int          // frames
}

// Read takes the client's bytes: any of them is a sign of life.
func (c *modelConn) Read(b []byte) (int, error) {
	n, err := c.tcp.Read(b)
	if n > 0 && !c.has("only-answers") {
		c.heard.Store(time.Now().UnixNano())
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && !c.due.IsZero() {
		err = fault(1008)
	}
	return n, err
}

// pong takes a Pong, asked for or not.
func (c *modelConn) pong(p []byte) {
	if bytes.Equal(p, []byte("alive?")) && c.pinged.Swap(false) {
		c.heard.Store(time.Now().UnixNano())
	}
}

// keepAlive pings a silent client, and ends its connection when no byte comes.
func (c *modelConn) keepAlive() {
	quiet := func() time.Duration { return time.Since(time.Unix(0, c.heard.Load())) }
	c.heard.Store(time.Now().UnixNano())
	if c.has("counts-a-standstill") {
		go func() {
			for quiet() < c.o.SilenceTimeout {
				time.Sleep(50 * time.Millisecond)
			}
			c.tcp.Close()
		}()
	}
	for !c.has("never-pings") {
		wait := c.o.PingInterval*3/4 + rand.N(c.o.PingInterval/4)
		if c.has("pings-at-once") {
			wait = time.Until(time.Now().Truncate(c.o.PingInterval).Add(c.o.PingInterval))
		}
		time.Sleep(wait)
		if quiet() < wait && !c.has("pings-at-once") {
			continue
		}
		c.pinged.Store(true)
		asked := time.Now().UnixNano()
		if c.send(opPing, []byte("alive?")) != nil {
			return
		}
		if wait := c.o.SilenceTimeout - c.o.PingInterval; overslept(wait) {
			continue // what has come meanwhile was not read yet
		}
		if c.heard.Load() < asked && !c.has("never-cuts") || c.has("deaf") {
			c.tcp.Close()
			return
		}
	}
}

// overslept waits, and reports whether the process stood still meanwhile.
func overslept(wait time.Duration) bool {
	began := time.Now()
	time.Sleep(wait)
	return time.Since(began) > wait+500*time.Millisecond
}

// begins notes that a data frame begins, within a message or with one.
func (c *modelConn) begins() {
	if c.o.MessageTimeout == 0 || c.has("patient-messages") || c.op != 0 && !c.has("frames-renew") {
		return
	}
	c.due = time.Now().Add(c.o.MessageTimeout)
	c.tcp.SetReadDeadline(c.due)
}

// ends notes that a message is whole.
func (c *modelConn) ends() {
	if !c.due.IsZero() {
		c.due = time.Time{}
		c.tcp.SetReadDeadline(c.due)
	}
}

// knownDefects are mistakes about what not every server has.
var knownDefects = []struct{ defect, id string }{
	{"", "^(F32|M|T5|T13|F21)"},
	{"", "^(H3|R1)/"},
	{"", "^(R2|H21|H23|T25)/"},
	{"patient-messages", "^F32/bytes$"},
	{"frames-renew", "^F32/fragments$"},
	{"two-closes", "^F21/crossing$"},
	{"never-pings", "^M1/no-pongs$"},
	{"never-cuts", "^M1/no-pongs$"},
	{"deaf", "^M1/pongs$"},
	{"only-answers", "^M2/pongs$"},
	{"pings-at-once", "^M5/spread$"},
	{"never-stalls", "^T5/byte-by-byte$"},
	{"loses-one", "^T13/small-unread$"},
	{"silent-when-full", "^H3/silent$"},
	{"any-number", "^R1/beyond$"},
	{"keeps-places", "^R1/beyond$"},
	{"silent-when-full", "^R1/beyond$"},
	{"any-address", "^R2/beyond$"},
	{"any-address", "^H23/forwarded$"},
	{"v4-is-one", "^T25/neighbour$"},
	{"any-origin", "^H21/null$"},
	{"origin-suffix", "^H21/prefix$"},
	{"origin-prefix", "^H21/suffix$"},
	{"first-origin", "^H21/twice$"},
}

// Limits and deadlines that the model has are kept, and those that it gets wrong
// are noticed.
func TestKnownLimitsAreJudged(t *testing.T) {
	t.Parallel() // it waits for deadlines
	var all sync.WaitGroup
	defer all.Wait()
	judgesStandstill(t, &all)
	for _, d := range knownDefects {
		o := Options{CloseTimeout: time.Second, HandshakeTimeout: 10 * time.Second}
		switch {
		case strings.Contains(d.id, "H21"):
			o.Origin = "https://app.example.com"
			fallthrough
		case strings.Contains(d.id, "R2"), strings.Contains(d.id, "H23"), strings.Contains(d.id, "T25"):
			o.MaxPerAddress = 20
		case strings.Contains(d.id, "H3"), strings.Contains(d.id, "R1"):
			o.MaxConns = 20
		default:
			o.PingInterval, o.SilenceTimeout = 600*time.Millisecond, 1800*time.Millisecond
			o.MessageTimeout, o.StallTimeout = time.Second, 500*time.Millisecond
		}
		all.Go(func() {
			complaint := ""
			for range 3 { // moments are what a busy machine makes late, and defects with them
				m := startModel(t, d.defect, o)
				m.o.Jobs = 4
				if d.defect == "" {
					mustPass(t, m, regexp.MustCompile(d.id))
					return
				}
				if complaint = notices(t, m, d.defect, d.id, 2*time.Second); complaint == "" {
					return
				}
			}
			t.Error(complaint)
		})
	}
}
