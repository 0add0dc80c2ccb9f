package sys

import (
	"io"
	"os"
	"os/signal"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// No call on the path of a message allocates.
func TestKernelDoesNotAllocate(t *testing.T) {
	k := Real()
	a, b := socketpair(t)
	buf := make([]byte, 256)
	bufs := [][]byte{buf[:2], buf[:4], nil, buf[:8]}
	for name, call := range map[string]func() error{
		"Write and Read":  func() error { k.Write(a, buf[:9]); return second(k.Read(b, buf)) },
		"Writev and Read": func() error { k.Writev(a, bufs); return second(k.Read(b, buf)) },
		"Read nothing": func() error {
			if _, err := k.Read(b, buf); FaultOf(err) != Again {
				return err
			}
			return nil
		},
		"Now": func() error { k.Now(); return nil },
	} {
		if err := call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := testing.AllocsPerRun(100, func() { call() }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// The end of a stream goes with its last bytes, in one segment.
func TestWriteLast(t *testing.T) {
	k := Real()
	segments := func(write func(fd int, b []byte) (int, error)) uint32 {
		fd, _, client := connected(t, "tcp4", "127.0.0.1:0")
		defer mustClose(t, fd)
		sent := func() uint32 {
			info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
			if err != nil {
				t.Fatal(err)
			}
			return info.Segs_out
		}
		before := sent()
		if n, err := write(fd, []byte("the end")); n != 7 || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
		if err := k.ShutdownWrite(fd); err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(client); string(b) != "the end" || err != nil {
			t.Errorf("the client read %q, %v", b, err)
		}
		return sent() - before
	}
	if last, plain := segments(k.WriteLast), segments(k.Write); last != 1 || plain != 2 {
		t.Errorf("%d segments, and %d when it is written like any other; want 1 and 2", last, plain)
	}
}

// The raw calls never hold their thread, even on a descriptor whose first
// owner has made it blocking.
func TestRawCallsNeverBlock(t *testing.T) {
	k := Real()
	a, _ := socketpair(t)
	if err := unix.SetNonblock(a, false); err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(20*time.Second, func() { panic("a raw call blocks") })
	defer watchdog.Stop()
	if _, err := k.Read(a, make([]byte, 8)); FaultOf(err) != Again {
		t.Errorf("reading nothing: %v", err)
	}
	block := make([]byte, 1<<16)
	var err error
	for err == nil {
		_, err = k.Write(a, block)
	}
	if FaultOf(err) != Again {
		t.Errorf("writing to a full socket: %v", err)
	}
	if _, err := k.Writev(a, [][]byte{block}); FaultOf(err) != Again {
		t.Errorf("writing a vector to a full socket: %v", err)
	}
}

// A connection that is gone must not signal a process that listens to SIGPIPE.
func TestNoSigpipe(t *testing.T) {
	k := Real()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGPIPE)
	defer signal.Stop(signals)
	a, b := socketpair(t)
	unix.Shutdown(b, unix.SHUT_RDWR)
	if _, err := k.Write(a, []byte("x")); FaultOf(err) != Peer {
		t.Errorf("Write: %v", err)
	}
	if _, err := k.Writev(a, [][]byte{[]byte("x")}); FaultOf(err) != Peer {
		t.Errorf("Writev: %v", err)
	}
	// A signal that follows shows that none came before it.
	unix.Kill(unix.Getpid(), unix.SIGPIPE)
	<-signals
	select {
	case s := <-signals:
		t.Errorf("the writes raised %v", s)
	case <-time.After(20 * time.Millisecond):
	}
}

func BenchmarkRead(b *testing.B) {
	k := Real()
	fd, _ := socketpair(b)
	buf := make([]byte, 1<<16)
	b.ReportAllocs()
	for b.Loop() {
		k.Read(fd, buf)
	}
}

func BenchmarkWriteAndRead(b *testing.B) {
	k := Real()
	to, from := socketpair(b)
	buf := make([]byte, 1<<16)
	b.ReportAllocs()
	for b.Loop() {
		k.Write(to, buf[:128])
		k.Read(from, buf)
	}
}

func BenchmarkWritevAndRead(b *testing.B) {
	k := Real()
	to, from := socketpair(b)
	buf := make([]byte, 1<<16)
	bufs := [][]byte{buf[:2], buf[:62], buf[:2], buf[:62]}
	b.ReportAllocs()
	for b.Loop() {
		k.Writev(to, bufs)
		k.Read(from, buf)
	}
}

// BenchmarkReadSyscall is what BenchmarkRead would be without raw calls.
func BenchmarkReadSyscall(b *testing.B) {
	fd, _ := socketpair(b)
	buf := make([]byte, 1<<16)
	b.ReportAllocs()
	for b.Loop() {
		unix.Read(fd, buf)
	}
}

func BenchmarkNow(b *testing.B) {
	k := Real()
	for b.Loop() {
		k.Now()
	}
}
