package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
)

// crowdSize is how many connections the test of many connections has, a
// quarter of them in each state.
const crowdSize = 10_000

// crowdBytes is what the halves alone amount to.
const crowdBytes = crowdSize / 4 * (halfHead + halfFrame)

const halfHead, halfFrame = 70, 500

// DESIGN, invariant 11: no goroutine is held for a connection, in any state:
// silent, half a handshake, open, half a frame. The clients are another
// process, because both ends together are more descriptors than one may have.
func TestGoroutinesDoNotGrowWithConnections(t *testing.T) {
	for _, inline := range []bool{false, true} {
		t.Run(map[bool]string{false: "workers", true: "inline"}[inline], func(t *testing.T) {
			watch(t)
			st := start(t, Handler{OnMessage: echo}, Config{
				Inline: inline, Timeouts: Timeouts{Handshake: time.Hour, Message: time.Hour}, PingInterval: -1,
				Limits: Limits{Conns: crowdSize},
			})
			before := runtime.NumGoroutine()

			clients := part(t, "crowd", st.addr.String())
			clients.Stderr = os.Stderr
			stdin, err1 := clients.StdinPipe()
			stdout, err2 := clients.StdoutPipe()
			if err := errors.Join(err1, err2, clients.Start()); err != nil {
				t.Fatal(err)
			}
			if _, err := fmt.Fscanln(stdout, new(string)); err != nil {
				t.Errorf("the clients ended early: %v", err)
			}
			eventually(t, "all are there", func() bool {
				got := st.Stats()
				return got.Conns == crowdSize && got.Connecting == crowdSize/2 && got.Open == crowdSize/2 &&
					got.BytesReceived >= crowdBytes
			})
			// Pool workers that have nothing to do stay for a second.
			now := 0
			for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
				if now = runtime.NumGoroutine(); now == before {
					break
				}
			}
			if now != before {
				t.Errorf("%d goroutines with %d connections, %d without", now, crowdSize, before)
			}
			if err := errors.Join(stdin.Close(), clients.Wait()); err != nil {
				t.Error(err)
			}
			st.quiet()
			for i := range crowdSize / 2 {
				st.ended(i)
			}
		})
	}
}

// crowd is the part of the clients: it opens all connections, says so, keeps
// them until its input ends, and leaves with resets.
func crowd(addr string) error {
	conns := make([]net.Conn, crowdSize)
	errs := make([]error, crowdSize)
	var wg sync.WaitGroup
	const dialers = 8
	for d := range dialers {
		wg.Go(func() {
			for i := d; i < crowdSize; i += dialers {
				conns[i], errs[i] = join(addr, i%4)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	for _, c := range conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	return nil
}

// join connects a client and brings it to a state.
func join(addr string, state int) (net.Conn, error) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	head := []byte(upgrade("/"))
	switch state {
	case 0: // silent
		return c, nil
	case 1: // half a handshake
		_, err = c.Write(head[:halfHead])
		return c, err
	}
	if _, err := c.Write(head); err != nil {
		return c, err
	}
	res, err := http.ReadResponse(bufio.NewReaderSize(c, 256), nil)
	if err != nil {
		return c, err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		return c, errors.New(res.Status)
	}
	if state == 3 { // half a frame
		_, err = c.Write(text(numbered(0, 1000))[:halfFrame])
	}
	return c, err
}
