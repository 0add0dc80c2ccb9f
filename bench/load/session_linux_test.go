package load

import (
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/roost-ws/roost/bench/testcert"
)

const deadline = 30 * time.Second

// quick is a run long enough for a few exchanges.
func quick(size, inFlight int) Run {
	return Run{
		Mode: ClosedLoop, Size: size, InFlight: inFlight, Batch: inFlight,
		Window: 60 * time.Millisecond, Drain: deadline, // only what is lost is waited for
	}
}

func run(t *testing.T, s *Session, r Run) *Result {
	t.Helper()
	result, err := s.Run(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// A right server passes at every size of header and buffer.
func TestRightServerPasses(t *testing.T) {
	s := dial(t, serve(t, echo), 5)
	for _, size := range []int{16, 17, 125, 126, 65535, 65536, 300_000} {
		for _, text := range []bool{false, true} {
			r := quick(size, 4)
			r.Text = text
			result := run(t, s, r)
			if result.Failures.Total() != 0 || result.Messages == 0 || result.Latency.Count() != int64(result.Messages) {
				t.Fatalf("%d bytes, text %v: %d messages, %d latencies, failures %v",
					size, text, result.Messages, result.Latency.Count(), result.Failures)
			}
		}
	}
}

// wrongAnswer is a server that answers one message wrongly, and what that is called.
type wrongAnswer struct {
	answer answer
	want   Kind
}

func wrongAnswers() map[string]wrongAnswer {
	flip := func(at int) answer {
		return func(m message, send func([]byte)) {
			if m.n == 5 {
				m.payload[at] ^= 1
			}
			echo(m, send)
		}
	}
	// fifth answers right but for one message.
	fifth := func(wrong answer) answer {
		return func(m message, send func([]byte)) {
			if m.n == 5 {
				wrong(m, send)
			} else {
				echo(m, send)
			}
		}
	}
	var held []byte
	var others sync.Map
	return map[string]wrongAnswer{
		"first pattern byte flipped": {flip(SizeMin), Corrupt},
		"last byte flipped":          {flip(199), Corrupt},
		"end of lead flipped":        {flip(15), Corrupt},
		"other opcode":               {fifth(func(m message, send func([]byte)) { send(serverFrame(opText, m.payload)) }), Opcode},
		"shorter":                    {fifth(func(m message, send func([]byte)) { send(serverFrame(m.op, m.payload[:199])) }), Length},
		"empty":                      {fifth(func(m message, send func([]byte)) { send(serverFrame(m.op, nil)) }), Length},
		"dropped":                    {fifth(func(message, func([]byte)) {}), Lost},
		"sent twice":                 {fifth(func(m message, send func([]byte)) { echo(m, send); echo(m, send) }), Duplicate},
		"reordered": {func(m message, send func([]byte)) {
			switch m.n {
			case 5:
				held = serverFrame(m.op, m.payload)
			case 7:
				echo(m, send)
				send(held)
			default:
				echo(m, send)
			}
		}, Reordered},
		"sent to another connection": {func(m message, send func([]byte)) {
			others.Store(m.conn, send)
			if other, ok := others.Load(1 - m.conn); ok && m.n == 5 {
				echo(m, other.(func([]byte)))
			} else {
				echo(m, send)
			}
		}, Stranger},
		"masked": {fifth(func(m message, send func([]byte)) {
			send(append([]byte{0x82, 0x80 | 16, 0, 0, 0, 0}, m.payload[:16]...))
		}), Protocol},
		"reserved bit": {fifth(func(m message, send func([]byte)) {
			b := serverFrame(m.op, m.payload)
			b[0] |= 0x40
			send(b)
		}), Protocol},
		"fragmented": {fifth(func(m message, send func([]byte)) {
			b := serverFrame(m.op, m.payload)
			b[0] &^= 0x80
			send(b)
		}), Protocol},
		"length not minimal": {fifth(func(m message, send func([]byte)) {
			send(append([]byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0, 200}, m.payload...))
		}), Protocol},
		"close frame": {fifth(func(m message, send func([]byte)) { send([]byte{0x88, 2, 0x03, 0xe8}) }), Closed},
	}
}

// Each way of answering wrongly is found and called by its name.
func TestWrongServerIsFound(t *testing.T) {
	for name, c := range wrongAnswers() {
		t.Run(name, func(t *testing.T) {
			conns := 1
			if c.want == Stranger {
				conns = 2
			}
			r := quick(200, 16)
			if c.want == Lost || c.want == Stranger {
				r.Drain = 500 * time.Millisecond // what will never come need not be waited for
			}
			result := run(t, dial(t, serve(t, c.answer), conns), r)
			if c.want == Stranger {
				// The message is missing where it belongs as well.
				delete(result.Failures.Count, Lost)
			}
			wantOnly(t, result.Failures, c.want)
		})
	}
}

// A flipped byte anywhere in a lead is found, though by which name depends on
// what the byte says.
func TestEveryByteOfTheLeadCounts(t *testing.T) {
	for at := range SizeMin {
		s := dial(t, serve(t, func(m message, send func([]byte)) {
			if m.n == 5 {
				m.payload[at] ^= 2
			}
			echo(m, send)
		}), 1)
		if result := run(t, s, quick(64, 8)); result.Failures.Total() == 0 {
			t.Errorf("byte %d: not found", at)
		}
	}
}

// A connection the server ends is a failure, with how many messages it took along.
func TestEndOfStreamIsFound(t *testing.T) {
	s := dial(t, serve(t, func(m message, send func([]byte)) {
		if m.n == 5 {
			send(nil) // ends the connection
			return
		}
		echo(m, send)
	}), 2)
	wantOnly(t, run(t, s, quick(64, 2)).Failures, Closed)
	if s.Open() != 0 {
		t.Fatalf("%d connections count as open", s.Open())
	}
}

// The opening handshake is checked: a server that answers anything is none.
func TestHandshakeIsChecked(t *testing.T) {
	for name, response := range map[string]string{
		"wrong accept": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n",
		"refused":      "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
		"extension": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
			handshakeAccept + "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s, err := NewSession(Dial{Addr: serveHandshake(t, echo, func(string) string { return response }), Path: "/"})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			o, err := s.Connect(Connect{Count: 3, Concurrency: 2, Deadline: deadline}, nil)
			if err != nil {
				t.Fatal(err)
			}
			wantOnly(t, o.Failures, Refused)
			if o.Opened != 0 || s.Open() != 0 {
				t.Fatalf("%d connections count as open", o.Opened)
			}
		})
	}
}

// Latencies of a server that is known to take 20 ms are 20 ms, and the
// throughput is what follows from them.
func TestClosedLoopLatencyOfKnownSlowServer(t *testing.T) {
	const slow, conns = 20 * time.Millisecond, 4
	s := dial(t, serve(t, func(m message, send func([]byte)) {
		time.Sleep(slow)
		echo(m, send)
	}), conns)
	result := run(t, s, Run{Mode: ClosedLoop, Size: 64, InFlight: 1, Batch: 1, Warmup: 50 * time.Millisecond, Window: 600 * time.Millisecond})
	if result.Failures.Total() != 0 {
		t.Fatal(result.Failures)
	}
	if got := result.Latency.Min(); got < slow*999/1000 {
		t.Errorf("the quickest reply took %v, the server sleeps %v", got, slow)
	}
	// Generous, for a busy machine; a mistake in the unit or the start would be far off.
	if got := result.Latency.Quantile(0.5); got > 10*slow {
		t.Errorf("the median reply took %v, the server sleeps %v", got, slow)
	}
	most := conns * (int(result.Window/slow) + 1)
	if int(result.Messages) > most {
		t.Errorf("%d replies in %v, at most %d are possible", result.Messages, result.Window, most)
	}
	if result.Window < 600*time.Millisecond {
		t.Errorf("the window was %v", result.Window)
	}
}

// A stall in an open loop is charged to every message that was due during it,
// not only to the one in flight: no coordinated omission.
func TestOpenLoopChargesStallToEveryMessage(t *testing.T) {
	const stall, rate = 300 * time.Millisecond, 1000
	var stalled sync.Once
	var gate sync.RWMutex
	s := dial(t, serve(t, func(m message, send func([]byte)) {
		if m.n == 40 {
			stalled.Do(func() {
				gate.Lock()
				time.Sleep(stall)
				gate.Unlock()
			})
		}
		gate.RLock()
		defer gate.RUnlock()
		echo(m, send)
	}), 4)
	result := run(t, s, Run{Mode: OpenLoop, Size: 64, Batch: 1, Rate: rate, Window: 800 * time.Millisecond})
	if result.Failures.Total() != 0 {
		t.Fatal(result.Failures)
	}
	// Every message due in the window is accounted for, whenever its reply came.
	if n, due := result.Latency.Count(), int64(rate*result.Window.Seconds()); n < due-2 || n > due+2 {
		t.Errorf("%d latencies, %d messages were due", n, due)
	}
	// Half of those due during the stall waited for at least half of it.
	late := result.Latency.Count() - result.Latency.CountBelow(stall/2)
	if want := int64(rate * stall.Seconds() / 2); late < want-5 {
		t.Errorf("%d messages waited %v or longer, want at least %d", late, stall/2, want)
	}
	if got := result.Latency.Max(); got < stall*9/10 {
		t.Errorf("the longest wait was %v, the stall %v", got, stall)
	}
}

// The client's own lateness is charged too: latency begins when the schedule
// says so, not when the client gets round to it.
func TestOpenLoopChargesOwnLateness(t *testing.T) {
	const late, rate = 200 * time.Millisecond, 1000
	s := dial(t, serve(t, echo), 4)
	var once sync.Once
	result, err := s.Run(Run{Mode: OpenLoop, Size: 64, Batch: 1, Rate: rate, Window: 700 * time.Millisecond},
		func(Progress) { once.Do(func() { time.Sleep(late) }) })
	if err != nil || result.Failures.Total() != 0 {
		t.Fatal(err, result.Failures)
	}
	for name, h := range map[string]*Histogram{"latency": result.Latency, "lag": result.Lag} {
		n := h.Count() - h.CountBelow(late/2)
		if want := int64(rate * late.Seconds() / 2); n < want-5 {
			t.Errorf("%s: %d messages of %v or more, want at least %d", name, n, late/2, want)
		}
	}
}

// Batch says how many frames leave in one write.
func TestBatchIsOneWrite(t *testing.T) {
	var reads []int
	var mu sync.Mutex
	s := dial(t, serveReads(t, func(frames int) {
		mu.Lock()
		reads = append(reads, frames)
		mu.Unlock()
	}), 1)
	run(t, s, Run{Mode: ClosedLoop, Size: 32, InFlight: 8, Batch: 4, Window: 50 * time.Millisecond})
	run(t, s, Run{Mode: OpenLoop, Size: 32, Batch: 4, Rate: 400, Window: 100 * time.Millisecond})
	mu.Lock()
	defer mu.Unlock()
	if len(reads) == 0 || slices.ContainsFunc(reads, func(n int) bool { return n%4 != 0 }) {
		t.Fatalf("frames by read: %v; want multiples of 4", reads)
	}
}

// Check finds a connection that is open and does not answer.
func TestCheckFindsTheDeaf(t *testing.T) {
	s := dial(t, serve(t, func(m message, send func([]byte)) {
		if m.conn != 2 {
			echo(m, send)
		}
	}), 5)
	c, err := s.Check(Check{Deadline: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if c.Open != 5 || c.Answered != 4 {
		t.Fatalf("%d of %d answered, want 4 of 5", c.Answered, c.Open)
	}
	wantOnly(t, c.Failures, Lost)
}

// Pings and closing handshakes are probes too.
func TestCheckPingsAndCloses(t *testing.T) {
	s := dial(t, serve(t, func(m message, send func([]byte)) {
		switch m.op {
		case opPing:
			if m.conn != 1 {
				send(serverFrame(opPong, m.payload))
			} else {
				send(serverFrame(opPong, []byte("not")))
			}
		case opClose:
			send(serverFrame(opClose, m.payload))
			send(nil)
		}
	}), 4)
	c, err := s.Check(Check{Probe: Ping, Deadline: deadline})
	if err != nil || c.Answered != 3 {
		t.Fatalf("%+v, %v", c, err)
	}
	wantOnly(t, c.Failures, Corrupt)
	c, err = s.Check(Check{Probe: Goodbye, Deadline: deadline})
	if err != nil || c.Answered != 3 || c.Failures.Total() != 0 || s.Open() != 0 {
		t.Fatalf("%+v, %d open, %v", c, s.Open(), err)
	}
}

// A server's Ping is answered: otherwise it would end idle connections.
func TestPingIsAnswered(t *testing.T) {
	pong := make(chan string, 1)
	s := dial(t, serve(t, func(m message, send func([]byte)) {
		if m.op == opPong {
			pong <- string(m.payload)
			return
		}
		if m.n == 0 {
			send(append([]byte{0x89, 5}, "hello"...))
		}
		echo(m, send)
	}), 1)
	run(t, s, quick(64, 1))
	if got := <-pong; got != "hello" {
		t.Fatalf("pong %q", got)
	}
}

// A Worker on the other end of a pipe measures the same as a Session.
func TestWorkerSpeaksForSession(t *testing.T) {
	in, orders := io.Pipe()
	answers, out := io.Pipe()
	served := make(chan error, 1)
	go func() { served <- Serve(in, out) }()
	w := NewWorker(orders, answers)
	if _, err := w.Run(quick(64, 1), nil); err == nil {
		t.Fatal("a run before the first dial succeeded")
	}
	if err := w.Dial(Dial{Addr: serve(t, echo), Path: "/"}); err != nil {
		t.Fatal(err)
	}
	o, err := w.Connect(Connect{Count: 3, Concurrency: 3, Deadline: deadline}, nil)
	if err != nil || o.Opened != 3 || o.Handshake.Count() != 3 {
		t.Fatalf("%+v, %v", o, err)
	}
	if _, err := w.Run(Run{Mode: "sideways"}, nil); err == nil {
		t.Fatal("a run of an unknown mode succeeded")
	}
	var told int
	r := quick(64, 2)
	r.Window = 700 * time.Millisecond
	result, err := w.Run(r, func(Progress) { told++ })
	if err != nil || result.Messages == 0 || result.Latency.Count() != int64(result.Messages) || told == 0 {
		t.Fatalf("%+v, %d progress reports, %v", result, told, err)
	}
	c, err := w.Check(Check{Size: 64, Deadline: deadline})
	if err != nil || c.Answered != 3 {
		t.Fatalf("%+v, %v", c, err)
	}
	orders.Close()
	if err := <-served; err != nil {
		t.Fatal(err)
	}
}

// With TLS every byte is checked as without; and a server whose certificate is
// not the one that was made for it is refused.
func TestTLSServerPasses(t *testing.T) {
	cert := testcert.SelfSigned("localhost")
	text, _ := testcert.PEM(cert)
	addr := serveTLS(t, echo, cert)
	s := dialWith(t, Dial{Addr: addr, Path: "/", TLS: text}, 5)
	for _, size := range []int{16, 126, 16 << 10, 300_000} {
		result := run(t, s, quick(size, 4))
		if result.Failures.Total() != 0 || result.Messages == 0 {
			t.Fatalf("%d bytes: %d messages, failures %v", size, result.Messages, result.Failures)
		}
	}
	other, _ := testcert.PEM(testcert.SelfSigned("localhost"))
	stranger, err := NewSession(Dial{Addr: addr, Path: "/", TLS: other})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	opened, err := stranger.Connect(Connect{Count: 1, Concurrency: 1, Deadline: deadline}, nil)
	if err != nil || opened.Opened != 0 || opened.Failures.Count[Refused] != 1 {
		t.Errorf("%d connections to a stranger, failures %v, %v", opened.Opened, opened.Failures, err)
	}
}
