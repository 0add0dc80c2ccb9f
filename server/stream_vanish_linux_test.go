package server

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// vanish has the client's kernel drop whatever comes for it, unread and without
// an acknowledgement, as if somebody had pulled the cable.
func (c *client) vanish() {
	c.t.Helper()
	drop := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	raw, err := bare(c.Conn).(*net.TCPConn).SyscallConn()
	if err != nil {
		c.t.Fatal(err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop[0]})
	})
	if err != nil || failed != nil {
		c.t.Fatal(err, failed)
	}
}

// Row T21: the client of a stream that vanishes is gone after a ping and
// StreamAckTimeout. One that is there stays, however quiet it is.
func TestStreamOfVanishedClient(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnOpen: func(c *Conn, _ *Request) { c.Send(Text, []byte("hello")) }},
			streams(Config{Inline: inline, StreamPingInterval: 200 * time.Millisecond, StreamAckTimeout: 300 * time.Millisecond}))
		gone, stays := st.dial(), st.dial()
		gone.expectData(gone.stream("/stream/gone"), "hello")
		body := stays.stream("/stream/stays")
		stays.expectData(body, "hello")
		gone.vanish()
		st.told(0, "open /stream/gone, close 1006")
		stays.expectData(body, ":\n\n:\n\n:\n\n")
		if n := st.Stats(); n.Unacknowledged != 1 || n.Streams != 1 {
			t.Errorf("%d were given up, and %d are left", n.Unacknowledged, n.Streams)
		}
	})
}
