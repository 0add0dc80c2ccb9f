package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/roost-ws/roost/bench/torture"
)

// shortage has the kernel refuse every send of the program until over is called.
// refused counts them.
func (p *program) shortage(errno string) (refused func() int, over func()) {
	t := p.t
	t.Helper()
	trace := filepath.Join(t.TempDir(), "trace")
	strace := exec.Command("strace", "-f", "-o", trace, "-e", "trace=sendto,sendmsg", "-e", "inject=sendto,sendmsg:error="+errno, "-p", fmt.Sprint(p.cmd.Process.Pid))
	said, err := strace.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := strace.Start(); err != nil {
		t.Fatal(err)
	}
	over = func() {
		strace.Process.Signal(os.Interrupt) // it lets go of the program
		strace.Wait()
	}
	t.Cleanup(over)
	if line, err := bufio.NewReader(said).ReadString('\n'); err != nil || !strings.Contains(line, "attached") {
		lacking(t, attach, fmt.Sprint(line, err))
	}
	return func() int {
		text, err := os.ReadFile(trace)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Count(text, []byte("(INJECTED)"))
	}, over
}

// Row T14: for want of memory in the kernel nothing is lost. That there is some
// again nobody says: what was refused is sent when the stall deadline comes, at the
// latest, as nothing else happens here, and nobody asks without a pause until then.
func TestFaultSendWithoutMemory(t *testing.T) {
	t.Parallel()
	require(t, "strace")
	for errno, flags := range map[string][]string{"ENOBUFS": {"--inline"}, "ENOMEM": nil} {
		t.Run(errno, func(t *testing.T) {
			t.Parallel() // it waits for the deadline
			p := startEcho(t, append(flags, "--admin", "127.0.0.1:0", "--ping-interval", "off", "--stall-timeout", "4s")...)
			p.watched(torture.Options{}, nil)
			messages := [][]byte{[]byte("short"), bytes.Repeat([]byte("long "), 50_000)}
			var conns []*gorilla.Conn
			for range messages {
				conns = append(conns, newCanary(t, p.addr).conn)
			}
			refused, over := p.shortage(errno)
			came := make(chan error, 1)
			go func() { // its handshake is refused the answer
				dialer := gorilla.Dialer{HandshakeTimeout: patience}
				conn, _, err := dialer.Dial("ws://"+p.addr+"/", nil)
				if err == nil {
					conn.Close()
				}
				came <- err
			}()
			for i, c := range conns {
				if err := c.WriteMessage(gorilla.BinaryMessage, messages[i]); err != nil {
					t.Fatal(err)
				}
			}
			for end := time.Now().Add(patience); refused() < 4 && time.Now().Before(end); {
				time.Sleep(10 * time.Millisecond)
			}
			time.Sleep(200 * time.Millisecond) // for it to spin, if it does
			if n := refused(); n < 4 || n > 50 {
				t.Errorf("%d calls were refused, of four connections with something to send", n)
			}
			over()
			for i, c := range conns {
				c.SetReadDeadline(time.Now().Add(patience))
				if _, got, err := c.ReadMessage(); err != nil || !bytes.Equal(got, messages[i]) {
					t.Errorf("of %d bytes %d came back: %v", len(messages[i]), len(got), err)
				}
			}
			if err := <-came; err != nil {
				t.Errorf("a client that came meanwhile: %v", err)
			}
		})
	}
}
