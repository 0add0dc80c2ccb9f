package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/roost-ws/roost/bench/torture"
)

// The machine itself at fault, and the built program in the middle of it: what
// of it needs a tool or an ability that is not there is skipped, and says so.

// long is set by make faults, which takes the time that make test has not.
var long = os.Getenv("ROOST_FAULTS") != ""

// canary is an honest client, which notices nothing.
type canary struct {
	t    *testing.T
	conn *gorilla.Conn
	n    int
}

func newCanary(t *testing.T, addr string) *canary {
	t.Helper()
	dialer := gorilla.Dialer{HandshakeTimeout: patience}
	conn, _, err := dialer.Dial("ws://"+addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &canary{t: t, conn: conn}
}

// sing sends a message of its own and wants it back.
func (c *canary) sing(size int) {
	c.t.Helper()
	c.n++
	message := fmt.Appendf(nil, "%p %d ", c, c.n)
	for i := len(message); i < size; i++ {
		message = append(message, byte(rand.Uint32()))
	}
	c.conn.SetWriteDeadline(time.Now().Add(patience))
	c.conn.SetReadDeadline(time.Now().Add(patience))
	if err := c.conn.WriteMessage(gorilla.BinaryMessage, message); err != nil {
		c.t.Fatalf("message %d: %v", c.n, err)
	}
	if _, got, err := c.conn.ReadMessage(); err != nil || !bytes.Equal(got, message) {
		c.t.Fatalf("message %d of %d bytes came back as %d: %v", c.n, len(message), len(got), err)
	}
}

// metric asks the program for one of its metrics.
func (p *program) metric(name string) float64 {
	p.t.Helper()
	_, text := get(p.t, "http://"+p.admin+"/metrics")
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return v
		}
	}
	p.t.Fatalf("there is no metric %s", name)
	return 0
}

// cpu is the time that the program has used, in all.
func (p *program) cpu() time.Duration {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), ") ")
	f := strings.Fields(after)
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100 on every Linux
}

// Row T7: out of descriptors the program neither spins nor forgets. Those it
// has are served; those who wait are, once somebody leaves.
func TestFaultDescriptors(t *testing.T) {
	require(t, "prlimit")
	p := startEcho(t, "--admin", "127.0.0.1:0", "--max-connections", "1000")
	p.watched(torture.Options{}, nil)
	bird := newCanary(t, p.addr)
	bird.sing(10)
	const more = 20
	limit := int(p.metric("process_open_fds")) + more
	if out, err := exec.Command("prlimit", "--pid", strconv.Itoa(p.cmd.Process.Pid), fmt.Sprintf("--nofile=%d:%d", limit, limit)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var crowd []net.Conn
	for range 3 * more {
		c, err := net.DialTimeout("tcp", p.addr, patience) // the kernel's queue takes it
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		crowd = append(crowd, c)
	}
	before := p.cpu()
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		bird.sing(100)
	}
	if used := p.cpu() - before; used > 700*time.Millisecond {
		t.Errorf("%v of CPU in a second without descriptors: it spins", used)
	}
	for _, c := range crowd {
		c.Close()
	}
	newCanary(t, p.addr).sing(10)
	bird.sing(10)
	if p.metric("roost_accept_shortages_total") == 0 {
		t.Error("the shortage is not counted")
	}
}

// requireStrace wants that calls can be made to fail.
func requireStrace(t *testing.T) {
	t.Helper()
	require(t, "strace")
	if out, err := exec.Command("strace", "-f", "-o", "/dev/null", "true").CombinedOutput(); err != nil {
		lacking(t, trace, fmt.Errorf("%w: %s", err, out))
	}
}

// Rows T8, T12: whatever the kernel says once, nobody is lost by it.
func TestFaultCalls(t *testing.T) {
	t.Parallel()
	requireStrace(t)
	for _, inject := range []string{
		"accept4:error=ECONNABORTED:when=1+3", "accept4:error=EPROTO:when=1+3", "accept4:error=EPERM:when=1+3", "accept4:error=ENETDOWN:when=1+3",
		"accept4:error=ENFILE:when=1+4", "accept4:error=ENOBUFS:when=1+4", "accept4:error=ENOMEM:when=1+4", "accept4:error=EINTR:when=1+2",
		"read:error=EINTR:when=20+3", "write:error=EINTR:when=20+3", // of the wake-up's descriptor
		"recvfrom:error=EINTR:when=2+3", "sendto:error=EINTR:when=2+3", "sendmsg:error=EINTR:when=1+3",
		"epoll_pwait:error=EINTR:when=5+2",
	} {
		t.Run(inject, func(t *testing.T) {
			t.Parallel()
			call, _, _ := strings.Cut(inject, ":")
			traced := exec.Command("strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace="+call, "-e", "inject="+inject,
				binary, "echo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--drain", "1s")
			p := follow(t, traced, nil)
			up := p.log.await(t, "start-up line", func(r record) bool { return r["msg"] == "listening" })
			p.addr = fmt.Sprint(up["addr"])
			p.admin = fmt.Sprint(up["admin"])
			p.watched(torture.Options{}, nil)
			for range 5 {
				// After ECONNABORTED the kernel has dropped the connection, and an
				// injected one only says so: it is the next that counts.
				bird := newCanary(t, p.addr)
				bird.sing(10)
				bird.sing(100_000)
			}
		})
	}
}

// Row T12: a thousand signals a second are invisible.
func TestFaultSignals(t *testing.T) {
	inModes(t, func(t *testing.T, p *program) {
		p.watched(torture.Options{}, nil)
		bird := newCanary(t, p.addr)
		var over atomic.Bool
		var done sync.WaitGroup
		done.Go(func() {
			for i := 0; !over.Load(); i++ {
				p.cmd.Process.Signal([]os.Signal{syscall.SIGURG, syscall.SIGWINCH, syscall.SIGCONT}[i%3])
				time.Sleep(time.Millisecond)
			}
		})
		for end := time.Now().Add(time.Second); time.Now().Before(end); {
			bird.sing(rand.IntN(50_000))
			newCanary(t, p.addr).sing(10)
		}
		over.Store(true)
		done.Wait()
	})
}

// Row M4: a process that stood still drops nobody for a silence that was its own.
func TestFaultStandstill(t *testing.T) {
	t.Parallel()
	pause := 3 * time.Second
	if long {
		pause = 90 * time.Second
	}
	p := startEcho(t, "--admin", "127.0.0.1:0", "--ping-interval", "1s")
	p.watched(torture.Options{Standstill: pause}, nil)
	var birds []*canary
	for range 20 {
		b := newCanary(t, p.addr)
		b.sing(10)
		birds = append(birds, b)
	}
	p.cmd.Process.Signal(syscall.SIGSTOP)
	time.Sleep(pause)
	p.cmd.Process.Signal(syscall.SIGCONT)
	for _, b := range birds {
		b.sing(1000)
	}
	if n := p.metric(`roost_connections{state="open"}`); n != 21 { // with the one that watches
		t.Errorf("%g of 21 connections are open after %v of standing still", n, pause)
	}
}

// Rows T1, T9: connections that are reset in every state leave nothing behind,
// and no byte of theirs reaches another.
func TestFaultResets(t *testing.T) {
	inModes(t, func(t *testing.T, p *program) {
		p.watched(torture.Options{}, nil)
		bird := newCanary(t, p.addr)
		bird.sing(10)
		before := openFiles(t, p) // with the bird's, and all that the program opens as it starts
		handshake := "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
		words := handshake + strings.Repeat("\x82\x84\x00\x00\x00\x00rude", 100) + "\x82\xfe\x10\x00\x00\x00\x00\x00half"
		var storm sync.WaitGroup
		end := time.Now().Add(1500 * time.Millisecond)
		for range 16 {
			storm.Go(func() {
				for time.Now().Before(end) {
					c, err := net.DialTimeout("tcp", p.addr, patience)
					if err != nil {
						t.Error(err)
						return
					}
					io.WriteString(c, words[:rand.IntN(len(words))])
					c.(*net.TCPConn).SetLinger(0)
					c.Close()
				}
			})
		}
		for time.Now().Before(end) {
			bird.sing(rand.IntN(5000))
			other := newCanary(t, p.addr)
			other.sing(100)
			other.conn.Close()
		}
		storm.Wait()
		bird.sing(10)
		for deadline := time.Now().Add(patience); openFiles(t, p) > before; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d descriptors were open before the storm, %d are after it", before, openFiles(t, p))
			}
		}
	})
}

// openFiles is how many descriptors the program has.
func openFiles(t *testing.T, p *program) int {
	t.Helper()
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}
