package load

import "time"

// Dial says which server a Session talks to.
type Dial struct {
	Addr       string `json:"addr"`        // host:port of the server
	Path       string `json:"path"`        // request path of new connections
	Source     int    `json:"source"`      // index of the first source address used
	Deflate    bool   `json:"deflate"`     // messages are compressed, both ways
	TLS        []byte `json:"tls"`         // the server's certificate, as PEM, where TLS is spoken
	ServerPIDs []int  `json:"server_pids"` // whose CPU time a Run samples; may be empty
}

// Connect asks for connections.
type Connect struct {
	Count       int           `json:"count"`
	Concurrency int           `json:"concurrency"` // opening handshakes at one time
	Path        string        `json:"path"`        // overrides Dial's when set
	Deadline    time.Duration `json:"deadline"`    // for all of them together
	// Stalled connections have the least receive buffer and are never read
	// from once they are open.
	Stalled bool `json:"stalled"`
}

// Opened is what became of a Connect.
type Opened struct {
	Opened    int           `json:"opened"`
	Elapsed   time.Duration `json:"elapsed"`
	ServerCPU time.Duration `json:"server_cpu"`
	Handshake *Histogram    `json:"handshake"` // from connect(2) to the end of the response
	Failures  Failures      `json:"failures"`
}

// Mode says what drives the messages of a Run.
type Mode string

const (
	// Closed: a reply is what allows the next message.
	ClosedLoop Mode = "closed"
	// Open: a fixed schedule, whatever the server does.
	OpenLoop Mode = "open"
)

// Run asks for messages on every open connection.
type Run struct {
	Mode     Mode          `json:"mode"`
	Size     int           `json:"size"`      // payload bytes of a message, at least SizeMin
	Text     bool          `json:"text"`      // text messages; binary otherwise
	Batch    int           `json:"batch"`     // frames in one write of a connection
	InFlight int           `json:"in_flight"` // closed loop: unanswered messages of a connection; a multiple of Batch
	Rate     float64       `json:"rate"`      // open loop: messages per second of all connections together
	Warmup   time.Duration `json:"warmup"`    // messages before the window count only if they fail
	Window   time.Duration `json:"window"`    // the time that is measured
	Drain    time.Duration `json:"drain"`     // how long replies are waited for after the window
}

// Result is what a Run measured. Everything but Failures concerns the window.
type Result struct {
	Window    time.Duration `json:"window"`   // as it really was
	Messages  uint64        `json:"messages"` // replies that arrived
	Sent      uint64        `json:"sent"`
	ServerCPU time.Duration `json:"server_cpu"`
	ClientCPU time.Duration `json:"client_cpu"`
	Latency   *Histogram    `json:"latency"`
	// Lag is how far the client itself fell behind an open loop's schedule:
	// from a message's due time to the write that carried it.
	Lag      *Histogram `json:"lag,omitempty"`
	Failures Failures   `json:"failures"`
}

// Probe is what a Check asks of a connection.
type Probe string

// The probes.
const (
	Echo    Probe = "message"     // one message, which must come back
	Ping    Probe = "ping"        // a Ping, which needs no handler
	Goodbye Probe = "close frame" // the closing handshake
)

// Check asks every open connection one thing.
type Check struct {
	Probe    Probe         `json:"probe"` // Echo when empty
	Size     int           `json:"size"`  // payload bytes of an Echo; at least SizeMin are sent
	Deadline time.Duration `json:"deadline"`
}

// Checked is the outcome of a Check.
type Checked struct {
	Open     int        `json:"open"`
	Answered int        `json:"answered"`
	Latency  *Histogram `json:"latency"`
	Failures Failures   `json:"failures"`
}

// Progress is sent while a long order is carried out.
type Progress struct {
	Done    uint64        `json:"done"` // messages or connections so far
	Elapsed time.Duration `json:"elapsed"`
}

// Churn asks for connections that come and go.
type Churn struct {
	Concurrency int           `json:"concurrency"` // connections at one time
	Size        int           `json:"size"`        // payload bytes of the one message of each; at least SizeMin
	Warmup      time.Duration `json:"warmup"`
	Window      time.Duration `json:"window"`
	Drain       time.Duration `json:"drain"` // how long the last ones may take
}

// Churned is the outcome of a Churn, its figures those of the window.
type Churned struct {
	Lives     uint64        `json:"lives"` // connections opened, echoed and closed
	Window    time.Duration `json:"window"`
	ServerCPU time.Duration `json:"server_cpu"`
	Handshake *Histogram    `json:"handshake"`
	Life      *Histogram    `json:"life"` // from connect(2) to the server's Close frame
	Failures  Failures      `json:"failures"`
}

// Fanout asks for messages to all subscribers.
type Fanout struct {
	Messages int           `json:"messages"`
	Size     int           `json:"size"`
	Every    time.Duration `json:"every"` // between two messages, whatever the server does
	Drain    time.Duration `json:"drain"` // how long deliveries are waited for
}

// Fanned is the outcome of a Fanout. Times are since a message was due.
type Fanned struct {
	Deliveries uint64        `json:"deliveries"`
	Elapsed    time.Duration `json:"elapsed"`
	ServerCPU  time.Duration `json:"server_cpu"`
	Latency    *Histogram    `json:"latency"` // of every delivery
	First      *Histogram    `json:"first"`   // of each message's first delivery
	Last       *Histogram    `json:"last"`    // of each message's last delivery
	Failures   Failures      `json:"failures"`
}

// Updates asks for clients of cmd bench/servers/updates.
type Updates struct {
	Way       string        `json:"way"` // websocket, sse, long-polling or polling
	Clients   int           `json:"clients"`
	Size      int           `json:"size"`       // bytes of an update
	PollEvery time.Duration `json:"poll_every"` // polling: time between two polls of a client
	Warmup    time.Duration `json:"warmup"`
	Window    time.Duration `json:"window"`
}

// Updated is what Updates measured in the window, all clients together.
type Updated struct {
	Arrivals  uint64        `json:"arrivals"`   // updates that reached a client
	Requests  uint64        `json:"requests"`   // HTTP responses
	Bytes     uint64        `json:"bytes"`      // inside TCP, both directions
	Segments  uint64        `json:"segments"`   // of TCP, both directions
	WireBytes uint64        `json:"wire_bytes"` // with the headers of each segment
	Window    time.Duration `json:"window"`
	ServerCPU time.Duration `json:"server_cpu"`
	ClientCPU time.Duration `json:"client_cpu"`
	Age       *Histogram    `json:"age"` // of an update when it reaches a client
	Failures  Failures      `json:"failures"`
}
