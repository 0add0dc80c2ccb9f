package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/roost-ws/roost/bench/torture"
)

// memoryGroup makes a control group with a limit and returns its folder.
func memoryGroup(t *testing.T, limit int64) string {
	t.Helper()
	var errs []error
	name := fmt.Sprintf("roost-test-%d", os.Getpid())
	for _, kind := range []struct{ root, file string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, // version 1
		{"/sys/fs/cgroup", "memory.max"},                   // version 2
	} {
		dir := filepath.Join(kind.root, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			errs = append(errs, err)
			continue
		}
		t.Cleanup(func() {
			for end := time.Now().Add(patience); syscall.Rmdir(dir) == syscall.EBUSY && time.Now().Before(end); {
				time.Sleep(50 * time.Millisecond) // until the program has left it
			}
		})
		err := os.WriteFile(filepath.Join(dir, kind.file), []byte(strconv.FormatInt(limit, 10)), 0o644)
		if err == nil {
			return dir
		}
		errs = append(errs, err)
	}
	lacking(t, group, errors.Join(errs...))
	return ""
}

// Row R3: clients that do not read, messages that do not end and messages in
// thousands of pieces come together, and would make the server hold several
// times what its control group has. It turns new clients away, closes those that
// hold most, goes on serving the others, and is never killed.
func TestFaultMemory(t *testing.T) {
	limit := int64(384 << 20)
	args := []string{"--max-message", "1MiB", "--max-outbound", "1MiB"} // --max-held is a quarter of the limit
	if raceDetector() {
		limit *= 3 // the detector has memory of its own, and takes its time
		args = append(args, "--max-held", "48MiB")
	}
	group := memoryGroup(t, limit)
	p := follow(t, exec.Command("sh", append([]string{"-c", `echo $$ >"$0"/cgroup.procs && exec "$@"`, group,
		binary, "echo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, args...)...), nil)
	up := p.log.await(t, "start-up line", func(r record) bool { return r["msg"] == "listening" })
	p.addr, p.admin = fmt.Sprint(up["addr"]), fmt.Sprint(up["admin"])
	p.watched(torture.Options{}, nil)
	bird := newCanary(t, p.addr)
	bird.sing(100)
	var crowd sync.WaitGroup
	over := make(chan struct{})
	for i := range 800 {
		crowd.Go(func() { burden(p.addr, i, over) })
	}
	begin := time.Now()
	for time.Since(begin) < 4*time.Second {
		bird.sing(1000)
		time.Sleep(20 * time.Millisecond)
	}
	for p.metric("roost_shed_total") == 0 {
		bird.sing(1000)
		if time.Since(begin) > patience {
			t.Error("800 clients were a burden of a megabyte or more each, and nobody was closed for it")
			break
		}
	}
	close(over)
	crowd.Wait()
	bird.sing(1000)
	for deadline := time.Now().Add(patience); p.metric("roost_held_bytes") > float64(limit/4); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%g bytes are held, of %d that may be", p.metric("roost_held_bytes"), limit/4)
		}
	}
	newCanary(t, p.addr).sing(10) // all have left
}

// burden is a client that makes the server hold as much as it can: by asking and
// not listening, by a message that does not end, or by one in a thousand pieces. It
// stays until that is over.
func burden(addr string, way int, over <-chan struct{}) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return
	}
	defer c.Close()
	c.(*net.TCPConn).SetReadBuffer(4 << 10)
	go func() {
		<-over
		c.SetDeadline(time.Now())
	}()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
	switch way % 3 {
	case 0:
		frame := "\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" + strings.Repeat("x", 1<<16)
		for err == nil {
			_, err = io.WriteString(c, frame)
		}
	case 1:
		io.WriteString(c, "\x82\xff\x00\x00\x00\x00\x00\x0f\xff\xff\x00\x00\x00\x00"+strings.Repeat("x", 1_000_000))
	case 2:
		piece := "\xfe\x03\xe8\x00\x00\x00\x00" + strings.Repeat("x", 1000)
		io.WriteString(c, "\x02"+piece+strings.Repeat("\x00"+piece, 1000))
	}
	<-over
}
