package poller

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cpu is the processor time the process has used.
func cpu() time.Duration {
	var ru unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &ru)
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// peerPairs tells the test binary, started as a child, that it is the other
// end of that many socket pairs, and no test.
const peerPairs = "ROOST_POLLER_PEER_PAIRS"

func TestMain(m *testing.M) {
	if pairs, err := strconv.Atoi(os.Getenv(peerPairs)); err == nil {
		peer(pairs)
		return
	}
	os.Exit(m.Run())
}

// peer echoes on the descriptors a child inherits, from 3 on, until they end.
func peer(pairs int) {
	p, err := Open()
	if err != nil {
		panic(err)
	}
	fds := make([]int, pairs)
	for i := range fds {
		fds[i] = 3 + i
		if err := p.Add(fds[i], uint64(i)); err != nil {
			panic(err)
		}
	}
	echo(p, fds, -1, func(n int) bool { return n > 0 })
}

// echo answers every byte with a byte until more, told what a read gave, says
// no. There is always room for one byte.
func echo(p *Poller, fds []int, timeout time.Duration, more func(n int) bool) {
	events := make([]Event, 256)
	var b [16]byte
	for {
		n, err := p.Wait(events, timeout)
		if err != nil {
			panic(err)
		}
		for _, ev := range events[:n] {
			if !ev.Readable {
				continue
			}
			fd := fds[ev.Token]
			got, err := unix.Read(fd, b[:])
			if err == unix.EAGAIN {
				continue
			}
			if !more(got) {
				return
			}
			unix.Write(fd, b[:1])
		}
	}
}

// BenchmarkWait plays ping-pong with another process on a number of socket
// pairs, one byte in flight on each; busy is the number of goroutines here
// that compute all the while. cpu-ns/op is this process's alone.
func BenchmarkWait(b *testing.B) {
	for _, pairs := range []int{1, 16, 500} {
		for _, busy := range []int{0, 1, 2} {
			for _, timeout := range []time.Duration{-1, time.Second} {
				name := fmt.Sprintf("pairs=%d/busy=%d/timeout=%v", pairs, busy, timeout)
				b.Run(name, func(b *testing.B) { pingPong(b, pairs, busy, timeout) })
			}
		}
	}
}

func pingPong(b *testing.B, pairs, busy int, timeout time.Duration) {
	p, err := Open()
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()

	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), peerPairs+"="+strconv.Itoa(pairs))
	child.Stderr = os.Stderr
	fds := make([]int, pairs)
	for i := range fds {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			b.Fatal(err)
		}
		fds[i] = pair[0]
		child.ExtraFiles = append(child.ExtraFiles, os.NewFile(uintptr(pair[1]), "peer"))
		if err := p.Add(fds[i], uint64(i)); err != nil {
			b.Fatal(err)
		}
	}
	if err := child.Start(); err != nil {
		b.Fatal(err)
	}
	for _, f := range child.ExtraFiles {
		f.Close()
	}
	var stop atomic.Bool
	for range busy {
		go func() {
			for !stop.Load() {
			}
		}()
	}
	for _, fd := range fds {
		unix.Write(fd, []byte{1})
	}
	left := 1000 // the child has to start
	count := func(int) bool { left--; return left > 0 }
	echo(p, fds, timeout, count)
	unix.Write(fds[0], []byte{1})

	left = b.N
	b.ResetTimer()
	began := cpu()
	done := make(chan struct{})
	go func() { // a goroutine as loops are, not the testing package's own
		echo(p, fds, timeout, count)
		close(done)
	}()
	<-done
	b.ReportMetric(float64(cpu()-began)/float64(b.N), "cpu-ns/op")
	b.StopTimer()
	stop.Store(true)
	for _, fd := range fds {
		unix.Close(fd)
	}
	if err := child.Wait(); err != nil {
		b.Fatal(err)
	}
}
