//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package sys

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/roost-ws/roost/poller"
)

// listen opens a listener of ours and closes it with the test.
func listen(t testing.TB, network, addr string) (int, net.Addr) {
	t.Helper()
	fd, bound, err := Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd, bound
}

// acceptOne waits for a connection on the listener fd.
func acceptOne(t testing.TB, fd int) (int, netip.AddrPort) {
	t.Helper()
	k := Real()
	for {
		nfd, peer, err := k.Accept(fd)
		if FaultOf(err) == Again {
			k.Sleep(time.Millisecond)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return nfd, peer
	}
}

func mustClose(t testing.TB, fd int) {
	t.Helper()
	if err := Real().Close(fd); err != nil {
		t.Error(err)
	}
}

// connected returns our descriptor of a TCP connection and the client's side.
func connected(t testing.TB, network, addr string) (int, netip.AddrPort, net.Conn) {
	t.Helper()
	lfd, bound := listen(t, network, addr)
	client, err := net.Dial(bound.Network(), bound.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	fd, peer := acceptOne(t, lfd)
	return fd, peer, client
}

// The walk of a connection: accept, readiness, bytes both ways, half close.
func TestKernelConnection(t *testing.T) {
	k := Real()
	fd, peer, client := connected(t, "tcp4", "127.0.0.1:0")
	defer mustClose(t, fd)
	if got := client.LocalAddr().(*net.TCPAddr).AddrPort(); got != peer {
		t.Errorf("accept reported peer %v, the client is %v", peer, got)
	}
	if got, err := k.Peer(fd); err != nil || got != peer {
		t.Errorf("Peer = %v, %v; accept said %v", got, err, peer)
	}
	p, err := k.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Add(fd, 42); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	if _, err := k.Read(fd, buf); FaultOf(err) != Again {
		t.Fatalf("reading nothing gave %v, want Again", err)
	}
	if _, err := client.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	events := make([]poller.Event, 8)
	for readable := false; !readable; {
		n, err := p.Wait(events, 5*time.Second)
		if err != nil || n == 0 {
			t.Fatalf("Wait = %d, %v", n, err)
		}
		if events[0].Token != 42 {
			t.Fatalf("token %d", events[0].Token)
		}
		readable = events[0].Readable
	}
	n, err := k.Read(fd, buf)
	if err != nil || string(buf[:n]) != "hello" {
		t.Fatalf("Read = %q, %v", buf[:n], err)
	}
	if n, err := k.Write(fd, []byte("wor")); n != 3 || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	if n, err := k.Writev(fd, [][]byte{[]byte("ld"), nil, []byte("!")}); n != 3 || err != nil {
		t.Fatalf("Writev = %d, %v", n, err)
	}
	if err := k.ShutdownWrite(fd); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(client); err != nil || string(got) != "world!" {
		t.Fatalf("client read %q, %v", got, err)
	}
	if _, err := client.Write([]byte("late")); err != nil {
		t.Fatal(err)
	}
	client.Close()
	end := time.Now().Add(5 * time.Second)
	for got := ""; ; {
		n, err := k.Read(fd, buf)
		got += string(buf[:n])
		if err == nil && n == 0 {
			if got != "late" {
				t.Fatalf("read %q before the end", got)
			}
			break
		}
		if err != nil && !errors.Is(err, unix.EAGAIN) || time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// socketpair returns two connected non-blocking sockets.
func socketpair(t testing.TB) (a, b int) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range pair {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
	}
	return pair[0], pair[1]
}

func TestAcceptedDescriptor(t *testing.T) {
	fd, _, _ := connected(t, "tcp", "127.0.0.1:0")
	defer mustClose(t, fd)
	if on, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY); err != nil || on == 0 {
		t.Errorf("TCP_NODELAY is %d, %v", on, err)
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
		t.Errorf("the descriptor blocks: flags %#x, %v", flags, err)
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("a child would inherit the descriptor: flags %#x, %v", flags, err)
	}
}

// One client has one address, whichever family its listener is of.
func TestPeerAddresses(t *testing.T) {
	for _, c := range []struct{ network, listen, dial, want string }{
		{"tcp4", "127.0.0.1:0", "127.0.0.1", "127.0.0.1"},
		{"tcp6", "[::1]:0", "::1", "::1"},
		{"tcp", ":0", "127.0.0.1", "127.0.0.1"}, // arrives as ::ffff:127.0.0.1
		{"tcp", ":0", "::1", "::1"},
	} {
		lfd, bound := listen(t, c.network, c.listen)
		_, port, _ := net.SplitHostPort(bound.String())
		client, err := net.Dial("tcp", net.JoinHostPort(c.dial, port))
		if err != nil {
			t.Fatalf("%s %s: %v", c.network, c.listen, err)
		}
		fd, accepted := acceptOne(t, lfd)
		asked, err := Real().Peer(fd)
		want := netip.AddrPortFrom(netip.MustParseAddr(c.want), uint16(client.LocalAddr().(*net.TCPAddr).Port))
		if accepted != want || asked != want || err != nil {
			t.Errorf("%s %s: accepted %v, asked %v (%v), want %v", c.network, c.listen, accepted, asked, err, want)
		}
		mustClose(t, fd)
		client.Close()
	}
}

func TestUnixSocketHasNoPeerAddress(t *testing.T) {
	lfd, bound := listen(t, "unix", t.TempDir()+"/s")
	client, err := net.Dial("unix", bound.String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	fd, peer := acceptOne(t, lfd)
	defer mustClose(t, fd)
	asked, err := Real().Peer(fd)
	if peer.IsValid() || asked.IsValid() || err != nil {
		t.Errorf("accepted %v, asked %v, %v", peer, asked, err)
	}
}

func TestInet6(t *testing.T) {
	mapped := netip.MustParseAddr("::ffff:10.1.2.3").As16()
	if got := inet6(mapped, 0).String(); got != "10.1.2.3" {
		t.Errorf("a mapped address is %v", got)
	}
	local := netip.MustParseAddr("fe80::1").As16()
	if got := inet6(local, 3).String(); got != "fe80::1%3" {
		t.Errorf("a link-local address is %v", got)
	}
}

// Every buffer and cut of a vector arrives in order, empty ones aside.
func TestWritev(t *testing.T) {
	k := Real()
	a, b := socketpair(t)
	many := make([][]byte, IOVMax+10)
	for i := range many {
		many[i] = []byte{byte(i)}
	}
	for _, c := range []struct {
		bufs [][]byte
		want string
	}{
		{nil, ""},
		{[][]byte{nil, {}, nil}, ""},
		{[][]byte{[]byte("one")}, "one"},
		{[][]byte{nil, []byte("a"), {}, []byte("bc"), nil, []byte("d")}, "abcd"},
		{many, string(slices.Concat(many[:IOVMax]...))},
	} {
		n, err := k.Writev(a, c.bufs)
		if n != len(c.want) || err != nil {
			t.Fatalf("Writev = %d, %v, want %d", n, err, len(c.want))
		}
		got := make([]byte, 1024)
		if n == 0 {
			continue
		}
		n, err = k.Read(b, got)
		if string(got[:n]) != c.want || err != nil {
			t.Fatalf("read %q, %v, want %q", got[:n], err, c.want)
		}
	}
}

// A full kernel takes what it has room for, then says Again.
func TestWriteUntilFull(t *testing.T) {
	k := Real()
	for name, write := range map[string]func(fd int, b []byte) (int, error){
		"Write":  k.Write,
		"Writev": func(fd int, b []byte) (int, error) { return k.Writev(fd, [][]byte{b[:1], b[1:]}) },
	} {
		fd, _, client := connected(t, "tcp", "127.0.0.1:0")
		defer mustClose(t, fd)
		block := []byte(strings.Repeat("x", 1<<20))
		sent, short := 0, false
		for {
			n, err := write(fd, block)
			sent += n
			if err != nil {
				if FaultOf(err) != Again || n != 0 {
					t.Fatalf("%s = %d, %v", name, n, err)
				}
				break
			}
			short = short || n < len(block)
		}
		if !short {
			t.Errorf("%s was never short before it was refused", name)
		}
		if err := k.ShutdownWrite(fd); err != nil {
			t.Fatal(err)
		}
		if got, err := io.Copy(io.Discard, client); int(got) != sent || err != nil {
			t.Errorf("%s sent %d, the client got %d, %v", name, sent, got, err)
		}
	}
}

// A peer that resets is a Peer fault, for the reader and for the writers.
func TestPeerReset(t *testing.T) {
	k := Real()
	fd, _, client := connected(t, "tcp", "127.0.0.1:0")
	defer mustClose(t, fd)
	client.(*net.TCPConn).SetLinger(0)
	client.Close()
	var err error
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); k.Sleep(time.Millisecond) {
		if _, err = k.Read(fd, make([]byte, 8)); FaultOf(err) != Again {
			break
		}
	}
	if FaultOf(err) != Peer {
		t.Errorf("read after a reset: %v", err)
	}
	if _, err := k.Write(fd, []byte("x")); FaultOf(err) != Peer {
		t.Errorf("write after a reset: %v", err)
	}
	if _, err := k.Writev(fd, [][]byte{[]byte("x")}); FaultOf(err) != Peer {
		t.Errorf("writev after a reset: %v", err)
	}
	if _, err := k.Peer(fd); FaultOf(err) != Peer {
		t.Errorf("peer after a reset: %v", err)
	}
	if err := k.ShutdownWrite(fd); FaultOf(err) != Peer {
		t.Errorf("shutdown after a reset: %v", err)
	}
}

// A descriptor that is not ours is a Bug, whatever is done with it.
func TestForeignDescriptor(t *testing.T) {
	k := Real()
	a, _ := socketpair(t)
	gone, err := unix.Dup(a)
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, gone)
	for name, err := range map[string]error{
		"Read":          second(k.Read(gone, make([]byte, 1))),
		"Write":         second(k.Write(gone, make([]byte, 1))),
		"Writev":        second(k.Writev(gone, [][]byte{make([]byte, 1)})),
		"Peer":          second(k.Peer(gone)),
		"ShutdownWrite": k.ShutdownWrite(gone),
		"Close":         k.Close(gone),
		"Accept":        third(k.Accept(gone)),
	} {
		if FaultOf(err) != Bug {
			t.Errorf("%s of a closed descriptor: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func third[T, U any](_ T, _ U, err error) error { return err }

// Without a descriptor left, an accept says Resource, and the connection is
// still there once there is one.
func TestAcceptWithoutDescriptors(t *testing.T) {
	k := Real()
	lfd, bound := listen(t, "tcp", "127.0.0.1:0")
	if _, _, err := k.Accept(lfd); FaultOf(err) != Again {
		t.Fatalf("accepting nothing: %v", err)
	}
	client, err := net.Dial("tcp", bound.String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	free, err := unix.Dup(lfd) // the lowest free number
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, free)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	for low.Cur = 0; int(low.Cur) < free; low.Cur++ { // its type differs between systems
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	_, _, err = k.Accept(lfd)
	if err2 := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err2 != nil {
		t.Fatal(err2)
	}
	if FaultOf(err) != Resource {
		t.Errorf("accept without descriptors: %v", err)
	}
	fd, _ := acceptOne(t, lfd)
	mustClose(t, fd)
}

func TestClock(t *testing.T) {
	k := Real()
	start := k.Now()
	k.Sleep(2 * time.Millisecond)
	if took := k.Now() - start; took < 2*time.Millisecond {
		t.Errorf("a sleep of 2ms took %v", took)
	}
}
