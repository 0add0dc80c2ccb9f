package webhook

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roost-ws/roost/server/push"
)

// Sender delivers webhooks. It is a push.Notifier.
type Sender struct {
	config Config // not changed after New
	client *http.Client
	inbox  inbox
	wanted atomic.Pointer[map[string]kinds] // by app; replaced as a whole
	waking chan struct{}                    // one element: there is something to do

	mu           sync.Mutex // guards all below; held for nothing that waits
	apps         map[string]*application
	endpoints    map[address]*endpoint
	list         []*endpoint // the same, in order of configuration
	holds        holds
	dead         dead
	lastID       uint64
	pendingBytes int // of all endpoints
	inFlight     int
	stats        Stats
	saving       saving
	closing      bool // nothing new is taken in

	attempts sync.WaitGroup // in flight
	ctx      context.Context
	cancel   context.CancelFunc // of attempts
	drained  chan struct{}      // closed when closing has nothing to wait for
	stop     chan struct{}      // closed to end the goroutine
	stopped  chan struct{}      // closed when it has ended
	close    sync.Once
	closeErr error
}

var _ push.Notifier = (*Sender)(nil)

// New makes a Sender, which takes up what the store at config.Path has kept.
func New(config Config) (*Sender, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	s := &Sender{
		config:  config,
		client:  newClient(&config),
		waking:  make(chan struct{}, 1),
		holds:   holds{bySubject: make(map[subject]*list.Element)},
		drained: make(chan struct{}),
		stop:    make(chan struct{}),
		stopped: make(chan struct{}),
	}
	if err := s.configure(config.Apps); err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	go s.run()
	return s, nil
}

// SetApps replaces the configuration of all apps. An endpoint that stays keeps
// what waits for it; what waits for one that is gone becomes dead letters.
func (s *Sender) SetApps(apps []App) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return errors.New("webhook: the sender is closed")
	}
	if err := s.configure(apps); err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	s.wake()
	return nil
}

// configure makes the tables of apps and endpoints, unless apps has mistakes.
func (s *Sender) configure(apps []App) error {
	byID := make(map[string]*application)
	for i := range apps {
		if err := apps[i].check(&s.config.Limits); err != nil {
			return err
		}
		if byID[apps[i].ID] != nil {
			return fmt.Errorf("app %s is there twice", apps[i].ID)
		}
		byID[apps[i].ID] = &application{key: apps[i].Key, secret: apps[i].Secret}
	}
	before := s.endpoints
	s.apps, s.endpoints, s.list = byID, make(map[address]*endpoint), nil
	wanted := make(map[string]kinds)
	for i := range apps {
		app := byID[apps[i].ID]
		for _, c := range apps[i].Endpoints {
			at := address{apps[i].ID, c.URL}
			ep := before[at]
			if ep == nil {
				ep = &endpoint{address: at}
			}
			ep.configure(app, c)
			s.endpoints[at] = ep
			s.list = append(s.list, ep)
			app.endpoints = append(app.endpoints, ep)
			wanted[apps[i].ID] |= ep.kinds.withCounterparts()
		}
	}
	s.wanted.Store(&wanted)
	now := time.Now()
	for at, ep := range before {
		if s.endpoints[at] == nil {
			ep.removed = true
			for _, d := range slices.Concat(ep.fresh, ep.retry) {
				ep.pull(d)
				s.leaveQueue(ep, d)
				s.bury(d, reasonRemoved, now)
			}
		}
	}
	return nil
}

const reasonRemoved = "the endpoint is not configured any more"

// Notify takes a notice in. It never blocks: what there is no room for is
// dropped and counted.
func (s *Sender) Notify(n push.Notice) {
	if (*s.wanted.Load())[n.App]&kindOf(n.Name) == 0 {
		return
	}
	if n.At.IsZero() {
		n.At = time.Now()
	}
	if s.inbox.put(n, &s.config.Limits) {
		s.wake()
	}
}

// wake makes the goroutine look for something to do, soon.
func (s *Sender) wake() {
	select {
	case s.waking <- struct{}{}:
	default:
	}
}

// run is the one goroutine that moves things on.
func (s *Sender) run() {
	defer close(s.stopped)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		s.mu.Lock()
		now := time.Now()
		s.takeIn(now)       // notices become events, or are held back
		s.release(now)      // what was held back long enough becomes events
		s.start(now)        // deliveries whose time has come
		s.save(now)         // what has changed
		s.noteDrained(now)  // only now is it known that nothing is left to do
		next := s.next(now) // when to look again, unless something happens before
		s.mu.Unlock()

		timer.Reset(next.Sub(now))
		select {
		case <-s.waking:
		case <-timer.C:
		case <-s.stop:
			return
		}
	}
}

// longest is how long the goroutine sleeps when it waits for nothing in
// particular: any value does.
const longest = time.Hour

// next returns when something will be due.
func (s *Sender) next(now time.Time) time.Time {
	next := now.Add(longest)
	sooner := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	if held := s.holds.first(); held != nil {
		sooner(held.due)
	}
	for _, ep := range s.list {
		if d, at := ep.next(s.config.Limits.InFlight); d != nil {
			sooner(at)
		}
	}
	if s.saving.wanted() {
		sooner(s.saving.after)
	}
	return next
}

// start begins the attempts that are due.
func (s *Sender) start(now time.Time) {
	for _, ep := range s.list {
		for {
			d, at := ep.next(s.config.Limits.InFlight)
			if d == nil || at.After(now) {
				break
			}
			ep.pull(d)
			d.started = now
			ep.inFlight++
			s.inFlight++
			s.stats.Attempts++
			r := request{url: ep.url, key: ep.app.key, secret: ep.app.secret, headers: ep.headers, body: d.body()}
			s.attempts.Go(func() { s.settle(ep, d, s.post(s.ctx, r)) })
		}
	}
}

// settle notes how an attempt ended.
func (s *Sender) settle(ep *endpoint, d *delivery, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.wake()
	now := time.Now()
	ep.inFlight--
	s.inFlight--
	switch {
	case err == nil:
		ep.succeed()
		s.stats.Delivered += uint64(d.count)
		s.leaveQueue(ep, d)
		s.forget(d.id)
		return
	case s.ctx.Err() != nil:
		ep.put(d) // Close ended the attempt: it says nothing about the endpoint
		return
	}
	s.stats.Failed++
	if errors.Is(err, errRefused) {
		s.stats.Refused++
	}
	d.attempts++
	d.reason = reasonOf(err)
	d.due = now.Add(s.backOff(d.attempts))
	ep.fail(d.started, now, s.backOff)
	switch {
	case ep.removed:
		s.leaveQueue(ep, d)
		s.bury(d, reasonRemoved, now)
	case d.attempts >= s.config.Limits.Attempts:
		s.leaveQueue(ep, d)
		s.bury(d, "", now)
	default:
		ep.put(d)
		s.keep(d.id, d)
	}
	s.sweep(ep, now)
}

// sweep gives up what waits for an endpoint for too long. It looks through the
// queues at most once in RetryMin. Nothing is given up without a failure: after
// a long time off, everything is tried once.
func (s *Sender) sweep(ep *endpoint, now time.Time) {
	if now.Sub(ep.swept) < s.config.RetryMin {
		return
	}
	ep.swept = now
	for _, d := range ep.expired(now.Add(-s.config.RetryAge)) {
		s.leaveQueue(ep, d)
		reason := d.reason
		if reason == "" {
			reason = "waited too long while other deliveries failed"
		}
		s.bury(d, reason, now)
	}
}
