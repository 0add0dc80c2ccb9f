package load

import (
	"sync"
	"testing"
	"time"
)

// hub is a test server's fan-out: what connection number publisher sends goes
// to all others, bent by wrong.
type hub struct {
	mu        sync.Mutex
	publisher int
	sends     map[int]func([]byte)
	wrong     func(to, n int, frame []byte, send func([]byte))
}

func (h *hub) answer(m message, send func([]byte)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m.conn != h.publisher {
		h.sends[m.conn] = send // subscribers say hello once, to be known here
		return
	}
	frame := serverFrame(m.op, m.payload)
	for to, send := range h.sends {
		if h.wrong != nil {
			h.wrong(to, m.n, frame, send)
		} else {
			send(frame)
		}
	}
}

// fan connects subscribers and then a publisher.
func fan(t *testing.T, h *hub, subscribers int) *Session {
	t.Helper()
	h.publisher, h.sends = subscribers, map[int]func([]byte){}
	s := dial(t, serve(t, h.answer), subscribers)
	for _, c := range s.conns {
		s.write(c, appendControl(nil, opPong, nil, s.pattern.key))
	}
	for known := 0; known < subscribers; time.Sleep(time.Millisecond) {
		h.mu.Lock()
		known = len(h.sends)
		h.mu.Unlock()
	}
	if o, err := s.Connect(Connect{Count: 1, Concurrency: 1, Deadline: deadline}, nil); err != nil || o.Opened != 1 {
		t.Fatal(o, err)
	}
	return s
}

func TestFanoutCountsEveryDelivery(t *testing.T) {
	const slow, subscribers, messages = 10 * time.Millisecond, 7, 5
	s := fan(t, &hub{wrong: func(to, n int, frame []byte, send func([]byte)) {
		time.Sleep(slow)
		send(frame)
	}}, subscribers)
	r, err := s.Fanout(Fanout{Messages: messages, Size: 100, Every: 200 * time.Millisecond, Drain: deadline}, nil)
	if err != nil || r.Failures.Total() != 0 {
		t.Fatal(err, r.Failures)
	}
	if r.Deliveries != subscribers*messages || r.Latency.Count() != subscribers*messages || r.First.Count() != messages || r.Last.Count() != messages {
		t.Fatalf("%d deliveries, %d latencies, %d first, %d last", r.Deliveries, r.Latency.Count(), r.First.Count(), r.Last.Count())
	}
	// The server sends one after the other, 10 ms apart.
	if r.First.Min() < slow*999/1000 || r.Last.Min() < subscribers*slow*999/1000 {
		t.Fatalf("first after %v, last after %v", r.First.Min(), r.Last.Min())
	}
}

func TestFanoutFindsWrongDeliveries(t *testing.T) {
	var held []byte
	for name, c := range map[string]struct {
		wrong func(to, n int, frame []byte, send func([]byte))
		want  Kind
	}{
		"one missing at one subscriber": {func(to, n int, frame []byte, send func([]byte)) {
			if to != 1 || n != 2 {
				send(frame)
			}
		}, Lost},
		"the last missing": {func(to, n int, frame []byte, send func([]byte)) {
			if to != 1 || n != 3 {
				send(frame)
			}
		}, Lost},
		"twice": {func(to, n int, frame []byte, send func([]byte)) {
			send(frame)
			if to == 1 && n == 1 {
				send(frame)
			}
		}, Duplicate},
		"in the wrong order": {func(to, n int, frame []byte, send func([]byte)) {
			switch {
			case to != 1:
				send(frame)
			case n == 1:
				held = frame
			case n == 2:
				send(frame)
				send(held)
			default:
				send(frame)
			}
		}, Lost},
		"corrupt": {func(to, n int, frame []byte, send func([]byte)) {
			if to == 1 && n == 1 {
				frame = append([]byte(nil), frame...)
				frame[90] ^= 4
			}
			send(frame)
		}, Corrupt},
	} {
		t.Run(name, func(t *testing.T) {
			s := fan(t, &hub{wrong: c.wrong}, 3)
			r, err := s.Fanout(Fanout{Messages: 4, Size: 100, Every: 20 * time.Millisecond, Drain: 300 * time.Millisecond}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.want != Lost {
				delete(r.Failures.Count, Lost) // the dropped subscriber misses the rest
			}
			wantOnly(t, r.Failures, c.want)
		})
	}
}

// Connections that are told not to read leave what comes to the kernel.
func TestStalledConnectionsDoNotRead(t *testing.T) {
	h := &hub{}
	s := fan(t, h, 2)
	o, err := s.Connect(Connect{Count: 1, Concurrency: 1, Stalled: true, Deadline: deadline}, nil)
	if err != nil || o.Opened != 1 {
		t.Fatal(o, err)
	}
	// The stalled one came last; the publisher is the one before it.
	last := len(s.conns) - 1
	if !s.conns[last].stalled || s.conns[last-1].stalled {
		t.Fatal("the wrong connection is stalled")
	}
}

func TestChurnLivesAndDies(t *testing.T) {
	const slow = 5 * time.Millisecond
	var mu sync.Mutex
	messages := map[int]int{}
	s, err := NewSession(Dial{Path: "/", Addr: serve(t, func(m message, send func([]byte)) {
		mu.Lock()
		messages[m.conn]++
		mu.Unlock()
		time.Sleep(slow)
		send(serverFrame(m.op, m.payload))
		if m.op == opClose {
			send(nil)
		}
	})})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := s.Churn(Churn{Concurrency: 4, Window: 300 * time.Millisecond, Drain: deadline}, nil)
	if err != nil || r.Failures.Total() != 0 || r.Lives == 0 || s.Open() != 0 || s.busy != 0 {
		t.Fatalf("%+v, %d open, %d busy, %v", r, s.Open(), s.busy, err)
	}
	if r.Life.Min() < 2*slow*999/1000 || int64(r.Lives) != r.Life.Count() {
		t.Fatalf("%d lives, the shortest %v", r.Lives, r.Life.Min())
	}
	mu.Lock()
	defer mu.Unlock()
	for conn, n := range messages {
		if n != 2 {
			t.Fatalf("connection %d sent %d frames, want a message and a Close frame", conn, n)
		}
	}
}

// A server that never answers the Close frame does not pass.
func TestChurnFindsUnfinishedLives(t *testing.T) {
	s, err := NewSession(Dial{Path: "/", Addr: serve(t, func(m message, send func([]byte)) {
		if m.op != opClose {
			echo(m, send)
		}
	})})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := s.Churn(Churn{Concurrency: 2, Window: 50 * time.Millisecond, Drain: 100 * time.Millisecond}, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantOnly(t, r.Failures, Lost)
}
