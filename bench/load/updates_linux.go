package load

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/roost-ws/roost/bench/proc"
)

// updatesClients are clients that want to know an update as soon as there is
// one. Unlike a Session they are goroutines with blocking reads: there are few
// of them, and HTTP is net/http's.
type updatesClients struct {
	Updates
	dial Dial

	mu       sync.Mutex
	counting bool
	result   *Updated
	wires    map[net.Conn]struct{} // open connections
	closed   wire                  // bytes and segments of those that were closed
}

// wire is what went over a connection.
type wire struct{ bytes, segments uint64 }

// headersLen is what each segment adds on an Ethernet without VLAN, in bytes:
// Ethernet, IPv4 and TCP with its timestamps.
const headersLen = 14 + 20 + 32

// ReceiveUpdates has clients receive updates in one of the ways and says how
// old each was on arrival, and what it cost. It opens connections of its own.
func ReceiveUpdates(d Dial, r Updates) (*Updated, error) {
	u := &updatesClients{Updates: r, dial: d, result: &Updated{Age: NewHistogram()}, wires: map[net.Conn]struct{}{}}
	receive := map[string]func(context.Context, int) error{
		"websocket": u.websocket, "sse": u.events, "long-polling": u.longPoll, "polling": u.poll,
	}[r.Way]
	if receive == nil {
		return nil, fmt.Errorf("load: there is no way %q", r.Way)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var all sync.WaitGroup
	for i := range r.Clients {
		all.Go(func() {
			if err := receive(ctx, i); err != nil && ctx.Err() == nil {
				u.fail(Closed, "client %d: %v", i, err)
			}
		})
	}
	time.Sleep(r.Warmup)
	cpu, err := proc.CPU(d.ServerPIDs...)
	if err != nil {
		return nil, err
	}
	own, before, start := ownCPU(), u.measureWires(true), time.Now()
	time.Sleep(r.Window)
	after := u.measureWires(false)
	u.result.Window = time.Since(start)
	u.result.ClientCPU = ownCPU() - own
	u.result.Bytes, u.result.Segments = after.bytes-before.bytes, after.segments-before.segments
	end, err := proc.CPU(d.ServerPIDs...)
	u.result.ServerCPU = end - cpu
	cancel()
	u.mu.Lock()
	for c := range u.wires {
		c.Close()
	}
	u.mu.Unlock()
	all.Wait()
	u.result.WireBytes = u.result.Bytes + u.result.Segments*headersLen
	return u.result, err
}

func (u *updatesClients) fail(k Kind, format string, args ...any) {
	u.mu.Lock()
	u.result.Failures.Add(k, 1, format, args...)
	u.mu.Unlock()
}

// measureWires sums what went over all connections so far, and turns the
// counting of arrivals on or off.
func (u *updatesClients) measureWires(counting bool) wire {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.counting = counting
	sum := u.closed
	for c := range u.wires {
		w := wireOf(c)
		sum.bytes += w.bytes
		sum.segments += w.segments
	}
	return sum
}

// wireOf asks the kernel what went over a TCP connection in both directions.
func wireOf(c net.Conn) (w wire) {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return w
	}
	_ = raw.Control(func(fd uintptr) { // fails only for a closed connection
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			w = wire{info.Bytes_received + info.Bytes_sent, uint64(info.Segs_in) + uint64(info.Segs_out)}
		}
	})
	return w
}

// counted is a connection whose traffic is remembered when it is closed.
type counted struct {
	net.Conn
	u    *updatesClients
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() {
		c.u.mu.Lock()
		w := wireOf(c.Conn)
		c.u.closed.bytes += w.bytes
		c.u.closed.segments += w.segments
		delete(c.u.wires, c.Conn)
		c.u.mu.Unlock()
	})
	return c.Conn.Close()
}

func (u *updatesClients) connect(ctx context.Context, _, _ string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", u.dial.Addr)
	if err != nil {
		return nil, err
	}
	u.mu.Lock()
	u.wires[c] = struct{}{}
	u.mu.Unlock()
	return &counted{Conn: c, u: u}, nil
}

// arrived checks an update and counts it. next is the number that must come;
// a client's first update may have any.
func (u *updatesClients) arrived(line []byte, next *int) error {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // this clock always exists
	number, rest, ok := bytes.Cut(line, []byte(" "))
	born, padding, ok2 := bytes.Cut(rest, []byte(" "))
	n, err := strconv.Atoi(string(number))
	at, err2 := strconv.ParseInt(string(born), 10, 64)
	if !ok || !ok2 || err != nil || err2 != nil || len(bytes.Trim(padding, ".")) != 0 || len(line) != u.Size {
		return fmt.Errorf("the update %q is no update of %d bytes", line, u.Size)
	}
	if *next > 0 && n != *next {
		return fmt.Errorf("update %d came, %d was next", n, *next)
	}
	*next = n + 1
	u.mu.Lock()
	if u.counting {
		u.result.Arrivals++
		u.result.Age.Record(time.Duration(now.Nano() - at))
	}
	u.mu.Unlock()
	return nil
}

func (u *updatesClients) websocket(ctx context.Context, _ int) error {
	c, err := u.connect(ctx, "", "")
	if err != nil {
		return err
	}
	defer c.Close()
	request := fmt.Sprintf("GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n",
		u.dial.Addr, handshakeKey)
	if _, err := io.WriteString(c, request); err != nil {
		return err
	}
	br := bufio.NewReader(c)
	var head strings.Builder
	for !strings.HasSuffix(head.String(), "\r\n\r\n") {
		line, err := br.ReadString('\n')
		if err != nil {
			return err
		}
		head.WriteString(line)
	}
	if wrong := checkResponse(head.String(), false); wrong != "" {
		return fmt.Errorf("%s", wrong)
	}
	for next := 0; ; {
		if _, err := br.Peek(2); err != nil { // wait for a frame
			return err
		}
		b, err := br.Peek(min(headerMax, br.Buffered()))
		if err != nil {
			return err
		}
		h, n, wrong := parseHeader(b, false)
		if wrong != "" || n == 0 || h.op != opText {
			return fmt.Errorf("frame %x: %s", b, wrong)
		}
		_, _ = br.Discard(n) // it is buffered
		line := make([]byte, h.length)
		if _, err := io.ReadFull(br, line); err != nil {
			return err
		}
		if err := u.arrived(line, &next); err != nil {
			return err
		}
	}
}

// get sends one request and hands the body over.
func (u *updatesClients) get(ctx context.Context, client *http.Client, accept string, from int, body func(io.Reader) error) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+u.dial.Addr+"/?from="+strconv.Itoa(from), nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", accept)
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", response.Status)
	}
	u.mu.Lock()
	if u.counting {
		u.result.Requests++
	}
	u.mu.Unlock()
	return body(response.Body)
}

// client is one that keeps its one connection.
func (u *updatesClients) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: u.connect, MaxIdleConnsPerHost: 1, DisableCompression: true}}
}

func (u *updatesClients) lines(body io.Reader, prefix string, next *int) error {
	s := bufio.NewScanner(body)
	for s.Scan() {
		if line, ok := bytes.CutPrefix(s.Bytes(), []byte(prefix)); ok && len(line) > 0 {
			if err := u.arrived(line, next); err != nil {
				return err
			}
		}
	}
	return s.Err()
}

func (u *updatesClients) events(ctx context.Context, _ int) error {
	next := 0
	err := u.get(ctx, u.client(), "text/event-stream", 0, func(body io.Reader) error { return u.lines(body, "data: ", &next) })
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (u *updatesClients) longPoll(ctx context.Context, _ int) error {
	client := u.client()
	for next := 0; ; {
		if err := u.get(ctx, client, "text/plain", next, func(body io.Reader) error { return u.lines(body, "", &next) }); err != nil {
			return err
		}
	}
}

func (u *updatesClients) poll(ctx context.Context, _ int) error {
	client := u.client()
	tick := time.NewTicker(u.PollEvery)
	defer tick.Stop()
	// Clients do not poll in step.
	time.Sleep(time.Duration(rand.Int64N(int64(u.PollEvery))))
	tick.Reset(u.PollEvery)
	for next := 0; ; {
		if err := u.get(ctx, client, "text/plain", next, func(body io.Reader) error { return u.lines(body, "", &next) }); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
