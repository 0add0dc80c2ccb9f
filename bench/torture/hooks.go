package torture

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Hooks are receivers of the webhooks of the app under test, most of which
// misbehave (row A13). A server must be told of them before it is started: that
// each of Endpoints gets the events of its channels, and that of the addresses
// which are not public it may reach Allowed and no other. The rest is what it was
// told besides.
type Hooks struct {
	Attempts       int           // until a delivery is given up; 3
	AttemptTimeout time.Duration // of one; 1 s
	RetryMin       time.Duration // before the second, the pause that doubles with every further one; 100 ms
	RetryMax       time.Duration // 400 ms
	Waiting        int           // deliveries that may wait for an endpoint; 100
	InFlight       int           // attempts at once that an endpoint may see; 8

	Allowed   netip.Prefix   // where it may send them
	Endpoints []HookEndpoint // where it is told to

	receivers map[string]*receiver // by the prefix of their channels
	trap      []*receiver          // which no server may reach
	forbidden []string             // hosts of endpoints that it may not reach either
}

// HookEndpoint is where webhooks about some channels go.
type HookEndpoint struct {
	URL    string
	Prefix string   // of the channels
	Events []string // by name; empty: all
}

// The addresses of receivers: one of this machine's that a server has no other
// reason to connect to, and those that it may not connect to.
const (
	hookAddress = "127.0.0.2"
	trapAddress = "127.0.0.1"
)

// OpenHooks starts the receivers.
func OpenHooks() (*Hooks, error) {
	h := &Hooks{
		Attempts: 3, AttemptTimeout: time.Second, RetryMin: 100 * time.Millisecond, RetryMax: 400 * time.Millisecond, Waiting: 100, InFlight: 8,
		Allowed: netip.MustParsePrefix(hookAddress + "/32"), receivers: map[string]*receiver{},
	}
	if err := h.open(); err != nil {
		h.Close()
		return nil, fmt.Errorf("torture: no receiver of webhooks: %w", err)
	}
	return h, nil
}

func (h *Hooks) open() error {
	occupied := []string{"channel_occupied"}
	for _, name := range []string{honestHook, deadHook, elsewhereHook} {
		events := occupied
		if name == honestHook {
			events = nil
		}
		if err := h.receive(name, hookSays("200 OK"), events); err != nil {
			return err
		}
	}
	h.receivers[deadHook].dead.Store(true)
	for _, t := range hookTroubles() {
		if err := h.receive(t.name, func(c *net.TCPConn, n int) { t.answer(h, c, n) }, occupied); err != nil {
			return err
		}
	}
	trap, err := listenForHooks(trapAddress+":0", hookSays("200 OK"))
	if err != nil {
		return err
	}
	h.trap = append(h.trap, trap)
	_, port, _ := net.SplitHostPort(trap.addr())
	h.forbidden = forbiddenHosts
	if also, err := listenForHooks("[::1]:"+port, hookSays("200 OK")); err == nil {
		h.trap = append(h.trap, also)
	} else { // a machine without IPv6 has nothing to refuse
		h.forbidden = slices.DeleteFunc(slices.Clone(h.forbidden), func(host string) bool { return strings.HasPrefix(host, "[") })
	}
	for _, host := range h.forbidden {
		h.Endpoints = append(h.Endpoints, HookEndpoint{URL: "http://" + host + ":" + port + "/hook", Prefix: forbiddenHook, Events: occupied})
	}
	return nil
}

// receive starts a receiver for channels of its own.
func (h *Hooks) receive(name string, answer func(c *net.TCPConn, n int), events []string) error {
	r, err := listenForHooks(hookAddress+":0", answer)
	if err != nil {
		return err
	}
	h.receivers[name] = r
	h.Endpoints = append(h.Endpoints, HookEndpoint{URL: "http://" + r.addr() + "/hook", Prefix: name, Events: events})
	return nil
}

// Close ends the receivers.
func (h *Hooks) Close() {
	for _, r := range h.receivers {
		r.close()
	}
	for _, r := range h.trap {
		r.close()
	}
}

// receiver takes webhooks at one address, one on each connection.
type receiver struct {
	ln     net.Listener
	answer func(c *net.TCPConn, n int)
	dead   atomic.Bool // does not answer

	mu    sync.Mutex // guards the rest
	got   []*hook
	conns map[*net.TCPConn]bool
	came  int // connections
	most  int // of them at a time
	shut  bool
}

// hook is a request as it came.
type hook struct {
	at     time.Time
	method string
	header http.Header
	body   string
	bad    error // of what made it no request

	answered time.Time     // when its answer began
	over     chan struct{} // closed when the answer, or the server's patience, is at its end
}

func listenForHooks(address string, answer func(c *net.TCPConn, n int)) (*receiver, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	r := &receiver{ln: ln, answer: answer, conns: map[*net.TCPConn]bool{}}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go r.serve(c.(*net.TCPConn))
		}
	}()
	return r, nil
}

func (r *receiver) addr() string { return r.ln.Addr().String() }

func (r *receiver) serve(c *net.TCPConn) {
	defer c.Close()
	if !r.enter(c) {
		return
	}
	defer r.leave(c)
	h := &hook{at: time.Now(), over: make(chan struct{})}
	defer close(h.over)
	request, err := http.ReadRequest(bufio.NewReader(c))
	if err == nil {
		var body []byte
		body, err = io.ReadAll(request.Body)
		h.method, h.header, h.body = request.Method, request.Header, string(body)
	}
	h.bad, h.answered = err, time.Now()
	r.mu.Lock()
	n := len(r.got)
	r.got = append(r.got, h)
	r.mu.Unlock()
	if r.dead.Load() {
		hookSilence(c)
		return
	}
	r.answer(c, n)
}

// enter counts a connection.
func (r *receiver) enter(c *net.TCPConn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.came++
	r.conns[c] = true
	r.most = max(r.most, len(r.conns))
	return !r.shut
}

func (r *receiver) leave(c *net.TCPConn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
}

func (r *receiver) close() {
	r.ln.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shut = true
	for c := range r.conns {
		c.Close()
	}
}

// about are the requests that tell of a channel, in order.
func (r *receiver) about(channel string) (all []*hook) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.got {
		if h.bad != nil || strings.Contains(h.body, quoteJSON(channel)) {
			all = append(all, h)
		}
	}
	return all
}

// connections are how many there were, and how many at a time.
func (r *receiver) connections() (came, most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.came, r.most
}

// wrong says what is wrong with a request for an app's backend; official SDKs compare
// the type with exactly this one, and sign the body as it came.
func (h *hook) wrong(a App) error {
	switch {
	case h.bad != nil:
		return fmt.Errorf("a request that is none: %w", h.bad)
	case h.method != http.MethodPost:
		return &mismatch{"method " + h.method, http.MethodPost}
	case h.header.Get("Content-Type") != "application/json":
		return &mismatch{"Content-Type " + h.header.Get("Content-Type"), "exactly application/json"}
	case h.header.Get("X-Pusher-Key") != a.Key:
		return &mismatch{"X-Pusher-Key " + h.header.Get("X-Pusher-Key"), a.Key}
	case h.header.Get("X-Pusher-Signature") != a.hmac(h.body):
		return &mismatch{"X-Pusher-Signature " + h.header.Get("X-Pusher-Signature"), a.hmac(h.body)}
	case len(h.header.Values("X-Pusher-Key"))+len(h.header.Values("X-Pusher-Signature")) != 2:
		return errors.New("a key or a signature twice")
	}
	return nil
}
