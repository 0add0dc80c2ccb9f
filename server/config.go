package server

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/roost-ws/roost/server/internal/deflate"
	"github.com/roost-ws/roost/server/internal/handshake"
	"github.com/roost-ws/roost/server/internal/sys"
	"github.com/roost-ws/roost/server/internal/wire"
)

// Handler holds an application's callbacks; each may be nil. For one
// connection they run one at a time, in order. They run on a worker and may
// block, unless Config.Inline is set: then they run on the loop of the
// connection and must not. A callback that panics costs its connection (1011).
type Handler struct {
	// OnOpen: the opening handshake is done. r is valid until OnOpen returns.
	OnOpen func(c *Conn, r *Request)
	// OnMessage: a whole message came; op is Text or Binary, and text is valid
	// UTF-8. message is a view into the server's buffer: it must not be changed and
	// is valid until OnMessage returns.
	OnMessage func(c *Conn, op Opcode, message []byte)
	// OnClose is the last call for a connection that was opened. What is sent in it goes nowhere.
	OnClose func(c *Conn, err *CloseError)
	// OnDrain: the outbound queue is empty again, after the client had been too slow
	// to take all of it at once, or Send had returned ErrSlowConsumer. Producers
	// that hold back wait for it.
	OnDrain func(c *Conn)
}

// Policy says what happens to a message that finds the outbound queue at Limits.Outbound.
type Policy uint8

const (
	// CloseSlow closes the connection with 1013: the client may come back and ask anew.
	CloseSlow Policy = iota
	// DropNewest drops the message that found no room.
	DropNewest
	// DropOldest drops the messages that wait longest, whole ones that were not begun.
	DropOldest
)

// Origins says which web pages may connect. The zero value is the same-origin
// policy for requests with an Origin; see its fields for others.
type Origins = handshake.Origins

// Refusal answers a request that gets no WebSocket: a status, a sentence and header fields.
type Refusal = handshake.Refusal

// Limits bounds what clients can make a server hold. 0 means the default.
type Limits struct {
	// Conns is how many connections may be open, handshakes included. Those
	// beyond get 503. Default: what the descriptor limit allows.
	Conns int
	// Handshakes is how many of them may be in their opening handshake; those beyond
	// get 503. A crowd that comes back at once is let in as fast as it can be served,
	// and who opens connections and says nothing keeps others out for no longer than
	// Timeouts.Handshake. Default 16,384.
	Handshakes int
	// ConnsPerAddress is how many one address (an IPv6 /64) may have; those beyond
	// get 429. Addresses are counted by hash; clients of unix sockets have none.
	// Default 65,536; negative: no limit.
	ConnsPerAddress int
	// Message is the size of a message in bytes, all fragments together. Default 1 MiB.
	Message int
	// Fragments is how many frames may make up a message. Default 1,024.
	Fragments int
	// Outbound is how many bytes may wait for a slow client, or for the callback
	// that sends them to return. A message that finds the queue empty is always
	// taken. Default 1 MiB.
	Outbound int
	// Held is how many bytes all connections together may make the server hold: for
	// clients that read slowly, and for messages that have begun. Above three
	// quarters of it new connections get 503; above all of it those that hold most
	// are closed with 1013, until it is three quarters. Default 1 GiB.
	Held int
	// HandshakeBytes, HandshakeTarget and HandshakeFields bound a request head, its
	// target and the number of its fields. Defaults 8,192 bytes, 4,096 bytes, 100.
	HandshakeBytes, HandshakeTarget, HandshakeFields int
	// ClientHello is the size of what a TLS client begins with, on the wire. Default 16 KiB.
	ClientHello int
	// TLSHandshakes is how many handshakes may have begun and wait for their
	// clients' answers; a ClientHello that comes then waits for room. Default 1,024.
	TLSHandshakes int
	// HTTPConns is how many connections may be with Config.HTTP at a time; those
	// beyond get 503. Default 1,024.
	HTTPConns int
}

// Timeouts bounds how long a connection may stay in a state. 0 means the
// default. They are exact to a tenth of a second, and with very many
// connections to a second.
type Timeouts struct {
	TLSHandshake time.Duration // from accept to the end of the TLS handshake; default 5 s
	Handshake    time.Duration // from accept to the whole request head; default 10 s
	Message      time.Duration // from the first byte of a message to its last; default 60 s
	Close        time.Duration // from our Close frame, once it was sent, to the peer's, and to the end of its stream; default 5 s
	Stall        time.Duration // how long a byte may wait for a slow client; default 10 s
	Drain        time.Duration // the window over which Shutdown spreads its Close frames; default 10 s
	HTTPRead     time.Duration // for a request to Config.HTTP, body included; default 30 s
	HTTPWrite    time.Duration // for its response; default 60 s
	HTTPIdle     time.Duration // between two such requests; default 60 s
}

// Config is how a server is to work. The zero value serves.
type Config struct {
	// Inline promises that callbacks do not block. They then run on the loop of
	// their connection, always the same goroutine, which is cheapest.
	Inline bool
	// Loops is the number of pollers; default GOMAXPROCS.
	Loops int
	// Workers is how many callbacks may block at the same time, beside one for
	// each loop. When all do, connections wait and TCP pushes back; accepts, pings
	// and deadlines go on. Default 256. Of no use with Inline.
	Workers int

	Limits   Limits
	Timeouts Timeouts

	// PingInterval is the silence after which a client is sent a Ping, and
	// PongTimeout how long anything may then take to come. Defaults 30 s and 30 s; negative: off.
	PingInterval, PongTimeout time.Duration
	// IdleTimeout is the silence after which a connection is closed with IdleCode. Default: off.
	IdleTimeout time.Duration
	IdleCode    StatusCode // default 1001

	// ShutdownCode is sent to every client by Shutdown. Default 1001.
	ShutdownCode StatusCode

	// SlowConsumer is what happens at Limits.Outbound.
	SlowConsumer Policy

	// Subprotocols are those the server speaks; of a client's list the first that is here is chosen.
	Subprotocols []string
	// Origins says which web pages may connect.
	Origins Origins
	// OnUpgrade is asked before each opening handshake is accepted. It may refuse
	// it, or add fields to the response with Request.SetHeader. It may block unless
	// Inline is set. r is valid until it returns.
	OnUpgrade func(r *Request) *Refusal

	// Deflate compresses messages. Off by default.
	Deflate Deflate

	// OnStream is asked about GET requests that ask for no WebSocket, before HTTP.
	// With a Stream the connection stays with the server and is open: OnOpen follows,
	// then what Send and SendPrepared (of PrepareChunk) are given goes out with the
	// same limits as messages, and OnClose comes when either side has ended it. With a Refusal
	// that is the answer; with neither the request is HTTP's. It may block unless
	// Inline is set. r is valid until it returns.
	OnStream func(r *Request) (*Stream, *Refusal)
	// StreamPing is sent on a stream every StreamPingInterval, so that proxies do
	// not think it idle and TCP finds out when the client is gone. Defaults ":\n\n",
	// a comment among server-sent events, and 30 s; negative: off.
	StreamPing         []byte
	StreamPingInterval time.Duration
	// StreamAckTimeout is for how long a stream's client, who never answers, may leave
	// what it was sent without TCP's acknowledgement, or have no room for it, before TCP gives
	// it up (1006). Who vanishes is gone after StreamPingInterval and this. Default
	// 30 s; negative, and on systems without such an option: when TCP itself gives up, after some 15 minutes.
	StreamAckTimeout time.Duration

	// HTTP serves requests on the same port that ask for no WebSocket. nil refuses them.
	HTTP http.Handler

	// TLS, when it is set, is spoken on every connection that is accepted; what
	// Upgrade takes over from net/http goes on as it is. A copy is used: later
	// changes are up to its GetCertificate and GetConfigForClient, which are called
	// on a few goroutines that all handshakes share, and should not take long.
	// Neither early data nor renegotiation are offered, and ALPN selects http/1.1.
	TLS *tls.Config
	// KernelTLS has the kernel encrypt and decrypt after the handshake, where it
	// can (Linux with the module tls, TLS 1.3): a connection then costs what one
	// without TLS costs. Others go on in the process. A client that changes its key
	// later is cut.
	KernelTLS bool

	// Logger gets the server's few own lines, none per connection but the stack of
	// a panic. Default slog.Default().
	Logger *slog.Logger

	kernel     sys.Kernel // the simulator's, in tests
	submit     func(func()) error
	readBuffer int // less in tests
}

// Resolve returns the configuration that New would put in force, defaults filled
// in, or says why there is none.
func (cfg Config) Resolve() (Config, error) { return cfg.withDefaults() }

// withDefaults fills in what was left out and says what cannot be.
func (cfg Config) withDefaults() (Config, error) {
	cfg.Loops = cmp.Or(cfg.Loops, runtime.GOMAXPROCS(0))
	cfg.IdleCode = cmp.Or(cfg.IdleCode, StatusGoingAway)
	cfg.ShutdownCode = cmp.Or(cfg.ShutdownCode, StatusGoingAway)
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	if len(cfg.StreamPing) == 0 {
		cfg.StreamPing = []byte(":\n\n")
	}
	if cfg.kernel == nil {
		cfg.kernel = sys.Real()
	}
	cfg.readBuffer = cmp.Or(cfg.readBuffer, readBuffer)
	cfg.Deflate.Level = cmp.Or(cfg.Deflate.Level, deflate.LevelMin)
	cfg.Deflate.MinSize = max(1, cmp.Or(cfg.Deflate.MinSize, deflateMin))
	fields := cfg.fields()
	for i := range fields {
		fields[i].fill()
	}
	if l := &cfg.Limits; l.Conns == 0 {
		descriptors, err := sys.RaiseDescriptorLimit()
		if err != nil {
			return cfg, err
		}
		l.Conns = cfg.ConnsFor(descriptors)
	}
	return cfg, cfg.check()
}

// ConnsFor returns what Limits.Conns is by default where a process may have that
// many descriptors: what is left when those for HTTP, for clients that are turned away,
// and for what is no client are taken off, or half of them if that is more.
func (cfg Config) ConnsFor(descriptors uint64) int {
	for _, f := range cfg.fields() {
		f.fill()
	}
	reserve := descriptorReserve + turnedAwayMax
	if cfg.HTTP != nil {
		reserve += cfg.Limits.HTTPConns
	}
	total := int(min(descriptors, 1<<24))
	return max(1, total/2, total-reserve)
}

// descriptorReserve is what is left of the descriptor limit for everything
// that is not a client: listeners, pollers, files.
const descriptorReserve = 100

// readBuffer is what one read can take. It belongs to a worker, not to a connection.
const readBuffer = 256 << 10

const maxSubprotocols = 127 // what Conn.proto can name

func (cfg *Config) check() error {
	var errs []error
	for _, f := range cfg.fields() {
		if err := f.check(); err != nil {
			errs = append(errs, err)
		}
	}
	for name, code := range map[string]StatusCode{"IdleCode": cfg.IdleCode, "ShutdownCode": cfg.ShutdownCode} {
		if !wire.ValidCloseCode(code) {
			errs = append(errs, fmt.Errorf("server: Config.%s is %d, which may not stand in a Close frame (RFC 6455, 7.4)", name, code))
		}
	}
	if len(cfg.Subprotocols) > maxSubprotocols {
		errs = append(errs, fmt.Errorf("server: Config.Subprotocols has %d names, and may have %d", len(cfg.Subprotocols), maxSubprotocols))
	}
	if cfg.Deflate.ContextTakeover && cfg.SlowConsumer == DropOldest {
		errs = append(errs, errors.New("server: Config.Deflate.ContextTakeover does not go with DropOldest: what is dropped cannot be referred to"))
	}
	if level := cfg.Deflate.Level; level < deflate.LevelMin || level > deflate.LevelMax {
		errs = append(errs, fmt.Errorf("server: Config.Deflate.Level is %d, and must be from %d to %d", level, deflate.LevelMin, deflate.LevelMax))
	}
	if cfg.SlowConsumer > DropOldest {
		errs = append(errs, fmt.Errorf("server: Config.SlowConsumer is %d, which is no Policy", cfg.SlowConsumer))
	}
	return errors.Join(errs...)
}
