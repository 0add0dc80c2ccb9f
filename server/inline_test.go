package server

import (
	"bytes"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/roost-ws/roost/server/internal/sys"
)

// goroutineID reads the number of the running goroutine from its stack trace.
func goroutineID(t *testing.T) int {
	b := make([]byte, 64)
	b = b[:runtime.Stack(b, false)]
	id, err := strconv.Atoi(string(bytes.Fields(b)[1]))
	if err != nil {
		t.Errorf("%v in %s", err, b)
	}
	return id
}

// Config.Inline: the callbacks of a loop's connections, whatever causes them,
// and the tasks posted to it run on one goroutine.
func TestInlineRunsOnLoop(t *testing.T) {
	watch(t)
	var mu sync.Mutex
	byLoop := make(map[int]map[int]string) // loop, goroutine, what it ran
	at := func(loop int, what string) {
		id := goroutineID(t)
		mu.Lock()
		defer mu.Unlock()
		if byLoop[loop] == nil {
			byLoop[loop] = make(map[int]string)
		}
		byLoop[loop][id] += what + " "
	}
	st := start(t, Handler{
		OnOpen:    func(c *Conn, _ *Request) { at(c.Loop(), "open") },
		OnMessage: func(c *Conn, op Opcode, m []byte) { at(c.Loop(), "message"); c.Send(op, m) },
		OnDrain:   func(c *Conn) { at(c.Loop(), "drain") },
		OnClose:   func(c *Conn, _ *CloseError) { at(c.Loop(), "close") },
	}, Config{
		Inline: true, Loops: 2, IdleTimeout: 2 * short, Timeouts: Timeouts{Close: short},
		OnUpgrade: func(r *Request) *Refusal { at(r.conn.Loop(), "upgrade"); return nil },
	})
	ends := []func(c *client, conn *Conn){
		func(c *client, conn *Conn) { c.goodbye() },
		func(c *client, conn *Conn) { conn.Close(4000, ""); c.frame(); c.send(goodbye(4000, "")) },
		func(c *client, conn *Conn) { conn.Close(4000, "") }, // the client is not heard of again
		func(c *client, conn *Conn) { c.reset() },
		func(c *client, conn *Conn) { c.fin() },
		func(c *client, conn *Conn) { c.send([]byte("garbage")) },
		func(c *client, conn *Conn) { c.deaf = true; c.expectClose(StatusGoingAway) }, // is idle
		func(c *client, conn *Conn) {
			conn.Send(Text, make([]byte, 8*narrowMax))
			c.expect(ws.OpText, string(make([]byte, 8*narrowMax)))
		},
	}
	for i := range 2 * len(ends) {
		c := dialAddr(t, st.addr, narrow).open("/")
		conn := st.nth(i).conn
		var wg sync.WaitGroup
		wg.Go(func() { // owns the connection now and then, just when messages come
			for range 200 {
				if err := conn.Send(Binary, nil); err != nil {
					t.Error(err)
				}
			}
		})
		for range 100 {
			c.send(text("hello"))
			if f := c.message(); string(f.payload) != "hello" {
				t.Fatalf("got %v", f)
			}
		}
		wg.Wait()
		for range 200 - c.skipped {
			c.expect(ws.OpBinary, "")
		}
		ends[i%len(ends)](c, conn)
	}
	for i := range st.Loops() {
		done := make(chan bool)
		if err := st.Post(i, func() { at(i, "task"); close(done) }); err != nil {
			t.Error(err)
		}
		<-done
	}
	st.Close()
	for loop, ran := range byLoop {
		if len(ran) != 1 {
			t.Errorf("loop %d has %d goroutines: %v", loop, len(ran), ran)
		}
	}
	if len(byLoop) != 2 {
		t.Errorf("%d loops ran something", len(byLoop))
	}
}

// Tasks of one loop run in the order in which they were posted, also those
// that tasks and callbacks post.
func TestPostOrder(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		var st *site
		var ran [2][]int // by loop; each belongs to the loop's goroutine
		done := make(chan bool, 2)
		st = startIdle(t, Handler{OnMessage: func(c *Conn, op Opcode, m []byte) {
			loop := c.Loop()
			if err := st.Post(loop, func() { c.Send(op, m) }); err != nil {
				t.Error(err)
			}
		}}, Config{Inline: inline, Loops: 2})
		st.addr = st.listen("tcp", "127.0.0.1:0")
		const tasks = 5000
		for i := range tasks {
			for loop := range 2 {
				if err := st.Post(loop, func() { ran[loop] = append(ran[loop], i) }); err != nil {
					t.Fatal(err)
				}
			}
		}
		for loop := range 2 {
			st.Post(loop, func() {
				st.Post(loop, func() { done <- true }) // by a task: behind all that stood there
				if len(ran[loop]) != tasks {
					t.Errorf("loop %d: %d of %d tasks ran before one posted later", loop, len(ran[loop]), tasks)
				}
			})
		}
		<-done
		<-done
		for loop := range 2 {
			for i, task := range ran[loop] {
				if task != i {
					t.Fatalf("loop %d: task %d ran as number %d", loop, task, i)
				}
			}
		}
		c := st.open()
		c.send(text("1"), text("2"), text("3"))
		for _, m := range []string{"1", "2", "3"} {
			c.expect(ws.OpText, m)
		}
	})
}

// A task that Post took runs, also when the server is closed at that moment;
// one that it refused never does.
func TestPostWhileClosing(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		for range 5 {
			st := start(t, Handler{}, Config{Inline: inline, Loops: 2})
			var taken, ran atomic.Int64
			var wg sync.WaitGroup
			for i := range 4 {
				wg.Go(func() {
					for st.Post(i%2, func() { ran.Add(1) }) == nil {
						taken.Add(1)
					}
				})
			}
			eventually(t, "tasks run", func() bool { return ran.Load() > 0 })
			st.Close()
			wg.Wait()
			if taken.Load() != ran.Load() {
				t.Fatalf("%d tasks were taken, %d ran", taken.Load(), ran.Load())
			}
			if err := st.Post(0, func() { t.Error("it ran") }); err != ErrServerClosed {
				t.Errorf("Post after Close returns %v", err)
			}
		}
	})
}

// Sending from tasks to many connections of the loop, which is how a push
// server fans out: everything arrives, in the order of the tasks.
func TestPostFanOut(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{}, Config{Inline: inline, Loops: 2})
		var clients []*client
		var byLoop [2][]*Conn
		for i := range 20 {
			clients = append(clients, st.open())
			conn := st.nth(i).conn
			byLoop[conn.Loop()] = append(byLoop[conn.Loop()], conn)
		}
		const messages = 50
		for i := range messages {
			p := Prepare(Text, []byte(numbered(i, 1000)))
			for loop := range 2 {
				st.Post(loop, func() {
					for _, conn := range byLoop[loop] {
						if err := conn.SendPrepared(p); err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
		for _, c := range clients {
			for i := range messages {
				c.expect(ws.OpText, numbered(i, 1000))
			}
			c.SetDeadline(time.Now().Add(patience))
		}
	})
}

// Row R16: what one turn sent, however much, is not held for the next.
func TestLoopKeepsNoLargeBuffer(t *testing.T) {
	watch(t)
	const size = 8 << 20
	st := start(t, Handler{OnMessage: func(c *Conn, _ Opcode, _ []byte) { c.Send(Binary, make([]byte, size)) }},
		Config{Inline: true, Loops: 1, Limits: Limits{Outbound: 4 * size}, kernel: sys.Real()}) // with room for much in a write
	c := st.open()
	live := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // pools forget after two
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := live()
	c.send(text("much"))
	if n := len(c.frame().payload); n != size {
		t.Fatalf("%d bytes", n)
	}
	eventually(t, "the memory is free again", func() bool { return live() < before+size/2 })
	c.goodbye()
}
