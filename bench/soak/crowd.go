package soak

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roost-ws/roost/bench/load"
)

// Crowd says who comes to a server. All of it is the same from the first
// minute to the last.
type Crowd struct {
	Honest int           `json:"honest"` // residents
	Every  time.Duration `json:"every"`  // between two requests of a resident, about
	Churn  float64       `json:"churn"`  // visitors a second
	Rude   float64       `json:"rude"`   // rude visitors a second
	Slow   int           `json:"slow"`   // that never read, at a time
	News   time.Duration `json:"news"`   // between two events to all residents
}

// crowd is a Crowd at one server.
type crowd struct {
	Crowd
	addr string
	site site

	mu      sync.Mutex
	latency *load.Histogram // of requests and news since it was last taken
	errs    []string        // what honest clients met; errsMax at most

	failed atomic.Int64
	asked  atomic.Int64
	heard  atomic.Int64
	visits atomic.Int64
	rudes  atomic.Int64
	slow   atomic.Int64
}

const errsMax = 20

func newCrowd(c Crowd, addr string, s site) *crowd {
	return &crowd{Crowd: c, addr: addr, site: s, latency: load.NewHistogram()}
}

// fault records what no honest client may meet.
func (c *crowd) fault(ctx context.Context, who string, err error) {
	if err == nil || ctx.Err() != nil {
		return // after the end everybody is cut
	}
	c.failed.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.errs) < errsMax {
		c.errs = append(c.errs, fmt.Sprintf("%s: %s: %v", time.Now().UTC().Format(time.TimeOnly), who, err))
	}
}

func (c *crowd) record(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.latency.Record(d)
}

// take returns the latencies since the last call.
func (c *crowd) take() *load.Histogram {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.latency
	c.latency = load.NewHistogram()
	return h
}

// run keeps everybody busy until ctx ends, and returns when all have left.
func (c *crowd) run(ctx context.Context) {
	var all sync.WaitGroup
	for range c.Honest {
		all.Go(func() {
			for pause(ctx, rand.N(c.Every)) {
				c.fault(ctx, "resident", c.reside(ctx))
			}
		})
	}
	for range c.Slow {
		all.Go(func() {
			for pause(ctx, rand.N(2*time.Second)) {
				c.fault(ctx, "slow client", c.dawdle(ctx))
			}
		})
	}
	all.Go(func() { c.visits.Add(c.arrivals(ctx, &all, c.Churn, "visitor", c.visit)) })
	all.Go(func() {
		c.rudes.Add(c.arrivals(ctx, &all, c.Rude, "rude visitor", func(context.Context) error { return rude(c.addr, c.site) }))
	})
	if s, ok := c.site.(pushSite); ok {
		all.Go(func() { c.publish(ctx, s) })
	}
	all.Wait()
}

// pause waits, and reports whether the run goes on.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// arrivals starts visits at random moments, rate a second on average.
func (c *crowd) arrivals(ctx context.Context, all *sync.WaitGroup, rate float64, who string, visit func(context.Context) error) (n int64) {
	if rate <= 0 {
		return 0
	}
	for pause(ctx, time.Duration(rand.ExpFloat64()/rate*float64(time.Second))) {
		n++
		all.Go(func() { c.fault(ctx, who, visit(ctx)) })
	}
	return n
}

// enter opens a connection that is cut when ctx ends.
func (c *crowd) enter(ctx context.Context) (*client, func(), error) {
	cl, err := open(c.addr, c.site.path())
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { cl.Close() })
	if err := c.site.greet(cl); err != nil {
		cl.Close()
		return nil, nil, err
	}
	return cl, func() { stop(); cl.Close() }, nil
}

// visit is a client that comes, asks a few times and leaves politely.
func (c *crowd) visit(ctx context.Context) error {
	cl, done, err := c.enter(ctx)
	if err != nil {
		return err
	}
	defer done()
	for range rand.IntN(4) {
		q := newQuestion()
		if err := c.site.ask(cl, q); err != nil {
			return err
		}
		f, err := cl.receive()
		if err != nil {
			return err
		}
		if answer, _, err := c.site.take(cl, f, q); err != nil || !answer {
			return fmt.Errorf("no answer: %w", err)
		}
	}
	return cl.leave()
}

// reside is a client that stays: it asks now and then, and hears the news.
func (c *crowd) reside(ctx context.Context) error {
	cl, done, err := c.enter(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := c.site.join(cl); err != nil {
		return err
	}
	for {
		if err := c.listen(ctx, cl, c.Every/2+rand.N(c.Every)); err != nil {
			return err
		}
		q := newQuestion()
		start := time.Now()
		if err := c.site.ask(cl, q); err != nil {
			return err
		}
		for answered := false; !answered; {
			f, err := cl.receive()
			if err != nil {
				return err
			}
			if answered, err = c.judge(cl, f, q); err != nil {
				return err
			}
		}
		c.record(time.Since(start))
		c.asked.Add(1)
	}
}

// judge takes a frame, and records how long news took.
func (c *crowd) judge(cl *client, f frame, q question) (answer bool, err error) {
	answer, took, err := c.site.take(cl, f, q)
	if err == nil && !answer {
		c.heard.Add(1)
		c.record(took)
	}
	return answer, err
}

// listen hears what comes for a while.
func (c *crowd) listen(ctx context.Context, cl *client, d time.Duration) error {
	for end := time.Now().Add(d); ctx.Err() == nil; {
		cl.SetReadDeadline(end)
		if _, err := cl.in.Peek(1); err != nil {
			if late, ok := err.(net.Error); ok && late.Timeout() {
				return nil
			}
			return err
		}
		cl.SetReadDeadline(time.Now().Add(patience)) // a frame that has begun goes on
		f, err := cl.next()
		if err != nil {
			return err
		}
		if f.op == opPing {
			if err := cl.send(opPong, f.payload); err != nil {
				return err
			}
			continue
		}
		if _, err := c.judge(cl, f, question{}); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// How long a client that does not read stays, at least and at most, and how
// much its kernel takes for it: longer than the server waits, and little.
const (
	dawdleMin    = 20 * time.Second
	dawdleMax    = time.Minute
	dawdleBuffer = 4 << 10
)

// dawdle is a client that makes the server send and reads nothing. In the end
// it resets the connection, or takes what is still there.
func (c *crowd) dawdle(ctx context.Context) error {
	cl, done, err := c.enter(ctx)
	if err != nil {
		return err
	}
	defer done()
	if tcp, ok := cl.Conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(dawdleBuffer) // a larger one only takes longer to fill
	}
	if _, ok := c.site.(pushSite); ok {
		for _, channel := range loudChannels {
			if err := cl.subscribe(channel); err != nil {
				return err
			}
		}
	}
	c.slow.Add(1)
	until := time.Now().Add(dawdleMin + rand.N(dawdleMax-dawdleMin))
	for time.Now().Before(until) && ctx.Err() == nil {
		if c.site.press(cl) != nil {
			pause(ctx, time.Until(until)) // the server takes nothing any more, or has ended it
		}
	}
	if rand.IntN(2) == 0 {
		cl.reset()
		return nil
	}
	cl.SetReadDeadline(time.Now().Add(patience))
	_, _ = io.Copy(io.Discard, cl.in) // however it ends
	return nil
}

// publish tells the news, and shouts at those who do not read.
func (c *crowd) publish(ctx context.Context, s pushSite) {
	web := &http.Client{Timeout: patience}
	defer web.CloseIdleConnections()
	loud := strings.Repeat("x", 8<<10)
	for n := 1; pause(ctx, c.News); n++ {
		c.fault(ctx, "publisher", s.publish(web, "tick", fmt.Sprintf("%d %d", n, time.Now().UnixNano()), newsChannel))
		for range 3 {
			c.fault(ctx, "publisher", s.publish(web, "noise", loud, loudChannels...))
		}
	}
}
