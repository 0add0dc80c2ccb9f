package load

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// update is a line as bench/servers/updates makes them, born so long ago.
func update(n, size int, age time.Duration) string {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	line := fmt.Sprintf("%d %d ", n, now.Nano()-int64(age))
	return line + strings.Repeat(".", size-len(line))
}

// serveUpdates tells numbered updates in every way, each of the given age.
func serveUpdates(t *testing.T, age time.Duration, line func(n, size int, age time.Duration) string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			c, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			defer c.Close()
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+
				handshakeAccept+"\r\n\r\n")
			for n := 0; ; n++ {
				if _, err := c.Write(serverFrame(opText, []byte(line(n, 100, age)))); err != nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		}
		from, _ := strconv.Atoi(r.URL.Query().Get("from"))
		if r.URL.Path == "/" && r.Header.Get("Accept") == "text/event-stream" {
			for n := 0; ; n++ {
				if _, err := io.WriteString(w, "data: "+line(n, 100, age)+"\n\n"); err != nil {
					return
				}
				w.(http.Flusher).Flush()
				time.Sleep(10 * time.Millisecond)
			}
		}
		time.Sleep(10 * time.Millisecond)
		_, _ = io.WriteString(w, line(from, 100, age)+"\n")
	})}
	go s.Serve(ln)
	t.Cleanup(func() { s.Close() })
	return ln.Addr().String()
}

func receive(t *testing.T, addr, way string) *Updated {
	t.Helper()
	r, err := ReceiveUpdates(Dial{Addr: addr}, Updates{
		Way: way, Clients: 3, Size: 100, PollEvery: 20 * time.Millisecond, Warmup: 60 * time.Millisecond, Window: 150 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var ways = []string{"websocket", "sse", "long-polling", "polling"}

// The age of an update on arrival is what it really is, and bytes are counted.
func TestUpdatesHaveTheirAge(t *testing.T) {
	const age = time.Second
	addr := serveUpdates(t, age, update)
	for _, way := range ways {
		r := receive(t, addr, way)
		if r.Failures.Total() != 0 || r.Arrivals == 0 || r.Age.Count() != int64(r.Arrivals) {
			t.Fatalf("%s: %+v", way, r)
		}
		if r.Age.Min() < age*999/1000 || r.Age.Quantile(0.5) > 2*age {
			t.Errorf("%s: the youngest was %v old, the median %v; they were born %v ago", way, r.Age.Min(), r.Age.Quantile(0.5), age)
		}
		// Each arrival is at least its 100 bytes, in a segment of its own or not.
		if r.Bytes < 90*r.Arrivals || r.Segments == 0 || r.WireBytes <= r.Bytes {
			t.Errorf("%s: %d bytes, %d on the wire, %d segments for %d updates", way, r.Bytes, r.WireBytes, r.Segments, r.Arrivals)
		}
		if (way == "long-polling" || way == "polling") != (r.Requests > 0) {
			t.Errorf("%s: %d requests", way, r.Requests)
		}
	}
}

// A missing number, a wrong length and a changed byte are failures.
func TestWrongUpdatesAreFound(t *testing.T) {
	for name, line := range map[string]func(n, size int, age time.Duration) string{
		"gap": func(n, size int, age time.Duration) string {
			if n > 5 {
				n++
			}
			return update(n, size, age)
		},
		"short":   func(n, size int, age time.Duration) string { return update(n, size-1, age) },
		"changed": func(n, size int, age time.Duration) string { return update(n, size-1, age) + "x" },
	} {
		addr := serveUpdates(t, 0, line)
		for _, way := range ways {
			if r := receive(t, addr, way); r.Failures.Count[Closed] == 0 {
				t.Errorf("%s, %s: not found", name, way)
			}
		}
	}
}
