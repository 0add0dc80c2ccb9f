package server

import (
	"fmt"
	"time"
)

// Bound is one limit or deadline of a Config: what it is for a server that was
// not told otherwise, how far it may be raised, and what meets a client that
// reaches it. Bounds lists them all; the tables in docs/security.md are made of it.
type Bound struct {
	Name    string // of the field: "Limits.Message"
	Unit    string // "bytes", "connections", ...; "time" for nanoseconds
	State   string // of the connection while it applies; "" for any
	What    string // what is bounded
	Beyond  string // what happens at the bound
	Counter string // the field of Stats that counts it; "" where nothing is refused

	Default  int64 // 0: off, or it depends on the machine (see What)
	Max      int64
	MayBeOff bool  // a negative value turns it off
	Value    int64 // in the Config that was asked
}

// forever is longer than any deadline needs to be, and far from where a clock
// in ticks would go round.
const forever = 365 * 24 * time.Hour

// Bounds lists the limits and deadlines of cfg.
func Bounds(cfg Config) []Bound {
	fields := cfg.fields()
	all := make([]Bound, len(fields))
	for i, f := range fields {
		all[i] = f.Bound
		all[i].Value = f.get()
	}
	return all
}

// field is a Bound and where its value is.
type field struct {
	Bound
	number   *int
	duration *time.Duration
}

func (f *field) get() int64 {
	if f.number != nil {
		return int64(*f.number)
	}
	return int64(*f.duration)
}

// fill sets what was left out.
func (f *field) fill() {
	switch {
	case f.get() != 0:
	case f.number != nil:
		*f.number = int(f.Default)
	default:
		*f.duration = time.Duration(f.Default)
	}
}

// check says what is wrong with the value.
func (f *field) check() error {
	v := f.get()
	switch {
	case v > f.Max:
		return fmt.Errorf("server: Config.%s is %s, and may be %s at most", f.Name, f.text(v), f.text(f.Max))
	case v < 0 && !f.MayBeOff:
		return fmt.Errorf("server: Config.%s is %s, and must be positive (0 stands for the default)", f.Name, f.text(v))
	}
	return nil
}

func (f *field) text(v int64) string {
	if f.duration != nil {
		return time.Duration(v).String()
	}
	return fmt.Sprint(v)
}

// fields is the table of all bounds. Its order is a connection's life.
func (cfg *Config) fields() []field {
	l, t := &cfg.Limits, &cfg.Timeouts
	number := func(p *int, b Bound) field { return field{Bound: b, number: p} }
	during := func(p *time.Duration, b Bound) field {
		b.Unit, b.Max = "time", int64(forever)
		return field{Bound: b, duration: p}
	}
	return []field{
		number(&cfg.Loops, Bound{Name: "Loops", Unit: "loops", Max: 1 << 10,
			What: "pollers, each with a goroutine; as many as GOMAXPROCS by default"}),
		number(&cfg.Workers, Bound{Name: "Workers", Unit: "goroutines", Default: 256, Max: 1 << 20,
			What: "callbacks that may block at a time", Beyond: "connections wait, and TCP pushes back"}),
		number(&l.Conns, Bound{Name: "Limits.Conns", Unit: "connections", Max: 1 << 28,
			What: "connections at a time, handshakes included; what the descriptor limit allows by default", Beyond: "503", Counter: "OverConns"}),
		number(&l.Handshakes, Bound{Name: "Limits.Handshakes", Unit: "connections", State: "connecting", Default: 16384, Max: 1 << 28,
			What: "opening handshakes at a time", Beyond: "503", Counter: "OverHandshakes"}),
		number(&l.ConnsPerAddress, Bound{Name: "Limits.ConnsPerAddress", Unit: "connections", Default: 1 << 16, Max: 1 << 30, MayBeOff: true,
			What: "connections of one address, an IPv6 /64 counting as one", Beyond: "429", Counter: "OverAddress"}),
		during(&t.TLSHandshake, Bound{Name: "Timeouts.TLSHandshake", State: "TLS handshake", Default: int64(5 * time.Second),
			What: "from accept to the end of the TLS handshake", Beyond: "cut", Counter: "TLSTimeouts"}),
		number(&l.ClientHello, Bound{Name: "Limits.ClientHello", Unit: "bytes", State: "TLS handshake", Default: 16 << 10, Max: 1 << 20,
			What: "a ClientHello, the heads of its records included", Beyond: "alert", Counter: "TLSFailures"}),
		number(&l.TLSHandshakes, Bound{Name: "Limits.TLSHandshakes", Unit: "handshakes", State: "TLS handshake", Default: 1024, Max: 1 << 20,
			What: "TLS handshakes that wait for their client's answer at a time", Beyond: "others wait"}),
		during(&t.Handshake, Bound{Name: "Timeouts.Handshake", State: "connecting", Default: int64(10 * time.Second),
			What: "from accept to the whole request head, however it trickles", Beyond: "cut", Counter: "HandshakeTimeouts"}),
		number(&l.HandshakeBytes, Bound{Name: "Limits.HandshakeBytes", Unit: "bytes", State: "connecting", Default: 8192, Max: 1 << 20,
			What: "a request head", Beyond: "431", Counter: "Refusals"}),
		number(&l.HandshakeTarget, Bound{Name: "Limits.HandshakeTarget", Unit: "bytes", State: "connecting", Default: 4096, Max: 1 << 20,
			What: "the target in it", Beyond: "414", Counter: "Refusals"}),
		number(&l.HandshakeFields, Bound{Name: "Limits.HandshakeFields", Unit: "fields", State: "connecting", Default: 100, Max: 1 << 16,
			What: "the fields in it", Beyond: "431", Counter: "Refusals"}),
		number(&l.Message, Bound{Name: "Limits.Message", Unit: "bytes", State: "open", Default: 1 << 20, Max: 1 << 30,
			What: "a message, all fragments together", Beyond: "1009", Counter: "Closes"}),
		number(&l.Fragments, Bound{Name: "Limits.Fragments", Unit: "frames", State: "open", Default: 1024, Max: 1 << 30,
			What: "the frames of a message", Beyond: "1008", Counter: "Closes"}),
		during(&t.Message, Bound{Name: "Timeouts.Message", State: "open", Default: int64(60 * time.Second),
			What: "from the first byte of a message to its last", Beyond: "1008", Counter: "MessageTimeouts"}),
		number(&l.Outbound, Bound{Name: "Limits.Outbound", Unit: "bytes", State: "open", Default: 1 << 20, Max: 1 << 30,
			What: "what waits for a slow client", Beyond: "1013, or what SlowConsumer says", Counter: "SlowConsumers"}),
		number(&l.Held, Bound{Name: "Limits.Held", Unit: "bytes", Default: 1 << 30, Max: 1 << 40,
			What: "what waits for all slow clients, and of messages that have begun, together", Beyond: "1013 for those that hold most; 503 for new ones from three quarters on", Counter: "Shed"}),
		during(&t.Stall, Bound{Name: "Timeouts.Stall", State: "open", Default: int64(10 * time.Second),
			What: "the age of the oldest byte that waits", Beyond: "1013", Counter: "SlowConsumers"}),
		during(&cfg.PingInterval, Bound{Name: "PingInterval", State: "open", Default: int64(30 * time.Second), MayBeOff: true,
			What: "silence of the client", Beyond: "it is sent a Ping"}),
		during(&cfg.PongTimeout, Bound{Name: "PongTimeout", State: "open", Default: int64(30 * time.Second), MayBeOff: true,
			What: "silence after that Ping", Beyond: "cut (1006)", Counter: "PongTimeouts"}),
		during(&cfg.IdleTimeout, Bound{Name: "IdleTimeout", State: "open", MayBeOff: true,
			What: "silence of the client, Pongs counting as words", Beyond: "IdleCode", Counter: "IdleTimeouts"}),
		during(&cfg.StreamPingInterval, Bound{Name: "StreamPingInterval", State: "open", Default: int64(30 * time.Second), MayBeOff: true,
			What: "the time between two pings on a stream", Beyond: "it is sent one"}),
		during(&cfg.StreamAckTimeout, Bound{Name: "StreamAckTimeout", State: "open", Default: int64(30 * time.Second), MayBeOff: true,
			What: "what a stream was sent and its client's TCP does not acknowledge or has no room for", Beyond: "cut (1006)", Counter: "Unacknowledged"}),
		during(&t.Close, Bound{Name: "Timeouts.Close", State: "closing, lingering", Default: int64(5 * time.Second),
			What: "from our Close frame, once it was sent, to the client's, and to the end of its stream", Beyond: "cut", Counter: "CloseTimeouts"}),
		during(&t.Drain, Bound{Name: "Timeouts.Drain", Default: int64(10 * time.Second),
			What: "the window over which Shutdown spreads its Close frames", Beyond: "all are told"}),
		number(&l.HTTPConns, Bound{Name: "Limits.HTTPConns", Unit: "connections", State: "http", Default: 1024, Max: 1 << 20,
			What: "connections that are with Config.HTTP", Beyond: "503", Counter: "OverHTTP"}),
		during(&t.HTTPRead, Bound{Name: "Timeouts.HTTPRead", State: "http", Default: int64(30 * time.Second),
			What: "for a request to Config.HTTP, body included", Beyond: "cut"}),
		during(&t.HTTPWrite, Bound{Name: "Timeouts.HTTPWrite", State: "http", Default: int64(60 * time.Second),
			What: "for its response", Beyond: "cut"}),
		during(&t.HTTPIdle, Bound{Name: "Timeouts.HTTPIdle", State: "http", Default: int64(60 * time.Second),
			What: "between two such requests", Beyond: "cut"}),
	}
}
