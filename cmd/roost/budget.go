package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/api"
)

// What a server may come to hold beside what its configuration says, in bytes.
const (
	// runtimeBytes is a server without clients: code, Go's runtime, tables.
	runtimeBytes = 48 << 20
	// clientBytes is a quiet client with one subscription, to a channel of its own
	// with the longest name, without the collector's head-room.
	clientBytes = 970
	// tlsBytes is what TLS keeps for an open connection more, and handshakeTLSBytes
	// what it needs while one is opened.
	tlsBytes, handshakeTLSBytes = 3500, 64 << 10
	// contextBytes is what is kept of messages for compressing the next ones.
	contextBytes = 3<<10 + 512
	// httpBytes is a connection that is with net/http: its goroutine, its buffers,
	// and the body of a call.
	httpBytes = 128 << 10
	// loopBytes is a loop's buffers, and a compressor and an inflater where messages are compressed.
	loopBytes, loopDeflateBytes = 512 << 10, 2 << 20
)

// term is one part of what a server may come to hold.
type term struct {
	name, of string // of says what it is made of
	bytes    int64
}

// budget is the most memory that a configuration lets clients make a server use.
type budget struct {
	terms  []term
	kernel int64 // for quiet sockets; their buffers are net.ipv4.tcp_mem's business
	conns  int64
}

// load is all that decides how much memory clients can make a server use.
type load struct {
	server        server.Config // with its defaults filled in
	apps          []push.App
	subscriptions int   // of all clients, beyond one for each
	vouched       int   // bytes of what backends say of clients
	events        int   // bytes of those that wait
	webhooks      int64 // bytes
}

// of returns l for another number of connections.
func (l load) of(conns int) load {
	l.server.Limits.Conns = conns
	return l
}

// furtherEach is how many subscriptions a client can have beyond its first, in
// the most generous app.
func (l load) furtherEach() (most int64) {
	for _, a := range l.apps {
		most = max(most, int64(cmp.Or(a.Limits.ChannelsPerConnection, push.DefaultChannelsPerConnection))-1)
	}
	return most
}

// kept is what apps keep besides what their clients have subscribed to.
func (l load) kept() (bytes int64) {
	for _, a := range l.apps {
		bytes += api.RepeatBytes + int64(cmp.Or(a.Limits.CacheBytes, push.DefaultCacheBytes))
		if len(a.History) > 0 {
			bytes += int64(cmp.Or(a.Limits.HistoryBytes, push.DefaultHistoryBytes))
		}
	}
	return bytes
}

// budget adds it up.
func (l load) budget() budget {
	cfg := l.server
	bounds := map[string]int64{}
	for _, b := range server.Bounds(cfg) {
		bounds[b.Name] = b.Value
	}
	conns := int64(cfg.Limits.Conns)
	perClient, perHandshake, perLoop := int64(clientBytes), bounds["Limits.HandshakeBytes"], int64(loopBytes)
	var crypto int64
	if cfg.TLS != nil {
		perClient += tlsBytes
		crypto = bounds["Limits.TLSHandshakes"] * handshakeTLSBytes
	}
	if cfg.Deflate.Enabled {
		perLoop += loopDeflateBytes
		if cfg.Deflate.ContextTakeover {
			perClient += contextBytes
		}
	}
	handshakes := min(conns, bounds["Limits.Handshakes"])
	further := min(int64(l.subscriptions), conns*l.furtherEach())
	return budget{
		conns:  conns,
		kernel: conns * kernelConnBytes,
		terms: []term{
			{"the program", "runtime and tables", runtimeBytes + bounds["Loops"]*perLoop},
			{"clients", fmt.Sprintf("%d of %d bytes, with a subscription", conns, perClient), conns * perClient},
			{"subscriptions", fmt.Sprintf("%d more of %d bytes (--max-subscriptions)", further, push.SubscriptionBytes), further * push.SubscriptionBytes},
			{"members and users", "what backends say of them (--max-vouched)", int64(l.vouched)},
			{"held for clients", "what waits for slow ones, and messages that have begun (--max-held)", bounds["Limits.Held"]},
			{"handshakes", fmt.Sprintf("%d of %d bytes", handshakes, perHandshake), handshakes*perHandshake + crypto},
			{"HTTP", fmt.Sprintf("%d connections of %d bytes", cfg.Limits.HTTPConns, httpBytes), int64(cfg.Limits.HTTPConns) * httpBytes},
			{"events", "that wait for delivery", int64(l.events)},
			{"kept", "last events, history and replies of apps", l.kept()},
			{"webhooks", "that wait or are under way", l.webhooks},
		},
	}
}

// heap is what Go's collector may come to use: it runs when the heap is larger
// by gcPercent than what lives.
func (b budget) heap() int64 {
	var live int64
	for _, t := range b.terms {
		live += t.bytes
	}
	return live / 100 * (100 + gcPercent)
}

// most is all of it.
func (b budget) most() int64 { return b.heap() + b.kernel }

// String is the sum, for whoever has to find more memory.
func (b budget) String() string {
	var s strings.Builder
	for _, t := range b.terms {
		fmt.Fprintf(&s, "  %-18s %7s  %s\n", t.name, mebibytes(t.bytes), t.of)
	}
	fmt.Fprintf(&s, "  %-18s %7s  %d %% head-room for Go's collector\n", "garbage", mebibytes(b.heap()-b.heap()*100/(100+gcPercent)), gcPercent)
	fmt.Fprintf(&s, "  %-18s %7s  all of the above, which GOMEMLIMIT bounds\n", "Go's heap", mebibytes(b.heap()))
	fmt.Fprintf(&s, "  %-18s %7s  %d sockets of %d bytes\n", "in the kernel", mebibytes(b.kernel), b.conns, kernelConnBytes)
	fmt.Fprintf(&s, "  %-18s %7s\n", "at most", mebibytes(b.most()))
	return s.String()
}
