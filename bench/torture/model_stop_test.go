package torture

import (
	"bytes"
	"encoding/binary"
	"net"
	"slices"
	"sync"
	"time"
)

// farewell is what a connection of the model needs to be told that the server
// ends: frames before its Close frame, and none behind it.
type farewell struct {
	mu   sync.Mutex // held while a frame is written
	said bool       // a Close frame was sent
}

// begin locks for a frame that may be sent, and reports whether it may.
func (f *farewell) begin(c *modelConn, op byte, p []byte) bool {
	f.mu.Lock()
	again := c.has("two-closes") || c.has("pong-after-close") || c.has("two-farewells") && op == opClose || c.has("echo-after-farewell") && op != opClose
	if f.said && !again || c.has("forgets-pending") && c.ending() && op == opText ||
		c.has("forgets-half") && string(p) == halfMessage || c.has("skips-pipelined") && bytes.Equal(p, pipelinedMessage(9)) {
		f.mu.Unlock()
		return false
	}
	f.said = f.said || op == opClose
	return true
}

// tell says that the server ends.
func (c *modelConn) tell() {
	code := uint16(1001)
	if c.has("wrong-farewell") {
		code = 1000
	}
	if c.has("cuts-clients") {
		c.tcp.Close()
		return
	}
	c.send(opClose, binary.BigEndian.AppendUint16(nil, code))
	if c.has("echo-after-farewell") {
		c.send(opText, []byte("late"))
	}
}

// ending reports whether the model was told to end.
func (m *model) ending() bool {
	select {
	case <-m.over:
		return true
	default:
		return false
	}
}

func (m *model) opened(c *modelConn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open = append(m.open, c)
}

// closed forgets a connection, but at the end, when all have their turn to be told.
func (m *model) closed(c *modelConn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.ending() {
		m.open = slices.DeleteFunc(m.open, func(o *modelConn) bool { return o == c })
	}
}

// stopping says how the model is told to end. Its process is the test's, so that
// it "has ended" when the model says so.
func (m *model) stopping(window time.Duration) Stopping {
	ended, code := make(chan struct{}), 0
	return Stopping{
		Window: window, Grace: m.o.CloseTimeout + time.Second,
		Signal: func() error {
			if !m.has("keeps-listening") && !m.has("silent-newcomers") {
				m.ln.Close()
			}
			close(m.over)
			go func() {
				defer close(ended)
				code = m.depart(window)
			}()
			return nil
		},
		Ended: func() int { <-ended; return code },
	}
}

// depart has every connection told within the window, and waits for their end as
// long as it waits for that of any.
func (m *model) depart(window time.Duration) int {
	began, tell := time.Now(), window
	if m.has("all-at-once") {
		tell = 1
	}
	patience := m.o.CloseTimeout
	if m.has("waits-for-all") {
		patience = time.Hour
	}
	for told := 0; ; time.Sleep(10 * time.Millisecond) {
		passed := time.Since(began)
		m.mu.Lock()
		due := int(float64(len(m.open)) * min(1, float64(passed)/float64(tell)))
		for ; told < due; told++ {
			go m.open[told].tell() // it may wait for a client that reads nothing
		}
		left := len(m.conns)
		m.mu.Unlock()
		if passed >= window && (left == 0 || passed > window+patience || m.has("waits-for-all") && passed > window+4*m.o.CloseTimeout) {
			break
		}
	}
	if m.has("lingers-on") {
		time.Sleep(4 * m.o.CloseTimeout)
	}
	if !m.has("keeps-listening") {
		m.ln.Close()
	}
	m.resetOthers()
	if m.has("exits-with-1") {
		return 1
	}
	return 0
}

// resetOthers is what a server does whose mistake costs bystanders their connections.
func (m *model) resetOthers() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.conns {
		c.SetLinger(0)
		c.Close()
	}
}

func (m *model) keep(c *net.TCPConn, open bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if open {
		m.conns[c] = true
	} else {
		delete(m.conns, c)
		if m.has("keeps-places") {
			m.kept++
		}
	}
}
