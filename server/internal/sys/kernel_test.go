//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package sys

import (
	"errors"
	"io"
	"net"
	"net/netip"
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
	defer k.Close(fd)
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
