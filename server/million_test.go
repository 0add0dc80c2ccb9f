//go:build unix

package server

import (
	"bytes"
	"os"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/roost-ws/roost/server/internal/sim"
)

// million is how many connections the benchmarks of very many have.
func million(b *testing.B) int {
	text := os.Getenv("ROOST_MILLION")
	if text == "" {
		return 1_000_000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("ROOST_MILLION=%q is no number of connections", text)
	}
	return n
}

// BenchmarkIdleMillion holds a million quiet connections at a real server on a
// simulated kernel: what they cost on the heap, what a collection of it costs,
// and what the server does about them in a second when each client is pinged
// every thirty seconds and answers. The simulator's own part of the heap and of
// a collection is measured before there is a server, and left out.
func BenchmarkIdleMillion(b *testing.B) {
	for b.Loop() {
		m := &crowdOnSim{b: b, n: million(b)}
		m.run()
	}
	b.ReportMetric(0, "ns/op") // of all steps together: says nothing
}

const (
	pingEvery = 30 * time.Second
	// openBatch is how many connections are opened at a time.
	openBatch = 1000
	// answerEvery is how often the clients look for Pings.
	answerEvery = time.Second
	idleFor     = 2 * pingEvery
)

// crowdOnSim is one server with many clients in one World.
type crowdOnSim struct {
	b       *testing.B
	n       int
	w       *sim.World
	k       *sim.Kernel
	fds     []int32
	clients []sim.Client
	srv     *Server
	done    bool
}

func (m *crowdOnSim) run() {
	b := m.b
	m.w = sim.NewWorld(sim.Config{Seed: 1, Strategy: sim.Sticky, Steps: 1 << 62, Step: 100})
	m.k = sim.NewKernel(m.w, sim.Faults{})
	m.dial()
	own := weigh()
	pool := m.w.NewPool("worker", 0)
	var err error
	m.srv, err = New(Handler{OnMessage: func(c *Conn, op Opcode, p []byte) { c.Send(op, p) }}, Config{
		Inline: true, Loops: 1, PingInterval: pingEvery, kernel: m.k, submit: pool.Submit,
		Limits: Limits{Conns: m.n, ConnsPerAddress: -1},
	})
	if err != nil {
		b.Fatal(err)
	}
	m.w.Go("clients", func() {
		m.open()
		m.idle()
		held := weigh()
		n := float64(m.n)
		b.ReportMetric((held.heap-own.heap)/n, "heap-B/conn")
		b.ReportMetric(held.heap/n, "heap-with-simulator-B/conn")
		b.ReportMetric((held.collection-own.collection)*1e3, "gc-cpu-ms")
		b.ReportMetric(held.collection*1e3, "gc-cpu-with-simulator-ms")
		b.ReportMetric(held.pause*1e3, "gc-pause-ms")
		m.done = true
		// Server.Close waits for goroutines that only the World can run.
		m.w.Fail("all is measured")
	})
	if err := m.w.Run(); !m.done {
		b.Fatal(err)
	}
	runtime.KeepAlive(m)
}

// dial connects all clients and takes the server's ends out of the accept
// queue, before anything runs: what is on the heap then is the simulator's.
func (m *crowdOnSim) dial() {
	l := m.k.Listen(openBatch)
	m.fds, m.clients = make([]int32, 0, m.n), make([]sim.Client, 0, m.n)
	for range m.n {
		c, err := l.Dial()
		if err != nil {
			m.b.Fatal(err)
		}
		fd, _, err := m.k.Accept(l.FD())
		if err != nil {
			m.b.Fatal(err)
		}
		m.clients, m.fds = append(m.clients, c), append(m.fds, int32(fd))
	}
}

// open has the server take the connections in and the clients shake hands,
// evenly over the time between two Pings. Then all are pinged a first time.
func (m *crowdOnSim) open() {
	request := []byte("GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
	response := make([]byte, 1024)
	began := m.w.Now()
	for at := 0; at < m.n; at += openBatch {
		batch := m.clients[at:min(at+openBatch, m.n)]
		for i, c := range batch {
			fd := int(m.fds[at+i])
			peer, err := m.k.Peer(fd)
			if err != nil {
				m.w.Fail("%v", err)
			}
			m.srv.engine.Adopt(fd, m.srv.admit(peer), nil, false)
			if err := c.Send(request); err != nil {
				m.w.Fail("%v", err)
			}
		}
		for _, c := range batch {
			n, err := c.Read(response)
			if err != nil || !bytes.HasPrefix(response[:n], []byte("HTTP/1.1 101 ")) {
				m.w.Fail("the response is %q, %v", response[:n], err)
			}
		}
		due := began + pingEvery*time.Duration(at)/time.Duration(m.n)
		m.w.Sleep(due - m.w.Now())
	}
	for end := m.w.Now() + pingEvery; m.w.Now() < end; {
		m.w.Sleep(answerEvery)
		m.answer()
	}
}

// idle lets time pass, counts what the server does and has the clients answer.
func (m *crowdOnSim) idle() {
	before, calls, cpu, began := m.srv.Stats(), m.k.Calls, processCPU(), m.w.Now()
	pings := 0
	for m.w.Now() < began+idleFor {
		m.w.Sleep(answerEvery)
		pings += m.answer()
	}
	after, seconds := m.srv.Stats(), (m.w.Now() - began).Seconds()
	calls = m.k.Calls.Sub(calls)
	if after.Open != int64(m.n) || after.Closed != 0 {
		m.w.Fail("%d connections are open and %d closed, of %d", after.Open, after.Closed, m.n)
	}
	if want := float64(m.n) * idleFor.Seconds() / pingEvery.Seconds(); float64(pings) < want/2 {
		m.w.Fail("the clients got %d Pings in %v, want about %.0f", pings, idleFor, want)
	}
	m.b.ReportMetric(float64(after.Pings-before.Pings)/seconds, "pings/s")
	m.b.ReportMetric(float64(calls.Write)/seconds, "writes/s")
	m.b.ReportMetric(float64(calls.Read)/seconds, "reads/s")
	m.b.ReportMetric(float64(calls.Wait)/seconds, "waits/s")
	m.b.ReportMetric((processCPU()-cpu).Seconds()/seconds*1e3, "cpu-with-simulator-ms/s")
}

// answer has every client that was pinged answer, and says how many were.
func (m *crowdOnSim) answer() (pings int) {
	var ping [2]byte
	for _, c := range m.clients {
		for c.Buffered() > 0 {
			if n, err := c.Read(ping[:]); err != nil || n != 2 || ping != [2]byte{0x89, 0} {
				m.w.Fail("a client got %x, %v; want an empty Ping", ping[:n], err)
			}
			pings++
			if err := c.Send([]byte{0x8a, 0x80, 1, 2, 3, 4}); err != nil {
				m.w.Fail("%v", err)
			}
		}
	}
	return pings
}

// weight is what a heap costs.
type weight struct {
	heap       float64 // bytes that live
	collection float64 // seconds of CPU for one
	pause      float64 // seconds in which nothing else could run
}

// weigh collects garbage a few times and takes the median. The CPU time is the
// kernel's: the runtime's own figure counts how long its workers took, which on
// a busy machine is more.
func weigh() weight {
	runtime.GC()
	runtime.GC() // what pools kept is gone after the second
	var heap, collection, pause []float64
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := processCPU()
		runtime.GC()
		collection = append(collection, (processCPU() - began).Seconds())
		runtime.ReadMemStats(&after)
		heap = append(heap, float64(after.HeapAlloc))
		pause = append(pause, float64(after.PauseTotalNs-before.PauseTotalNs)/1e9)
	}
	median := func(v []float64) float64 { slices.Sort(v); return v[len(v)/2] }
	return weight{median(heap), median(collection), median(pause)}
}

// processCPU is what this process has used so far.
func processCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it knows no reason to fail
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
