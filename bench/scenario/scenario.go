// Package scenario says what is done to a server and what is measured while
// it is done. A scenario knows neither which servers there are nor how the
// figures are shown.
package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/roost-ws/roost/bench/load"
)

// Metric is a figure that scenarios produce.
type Metric struct {
	Key    string `json:"key"`
	Title  string `json:"title"`
	Unit   string `json:"unit"`
	Digits int    `json:"digits"`
	More   bool   `json:"more"` // more is better
}

// The metrics, by the key they have in a Sample.
var metrics = []Metric{
	{Key: "cpu_us", Title: "CPU/msg", Unit: "µs", Digits: 2},
	{Key: "msgs", Title: "msg/s", Digits: 0, More: true},
	{Key: "p50_us", Title: "p50", Unit: "µs", Digits: 0},
	{Key: "p99_us", Title: "p99", Unit: "µs", Digits: 0},
	{Key: "max_us", Title: "max", Unit: "µs", Digits: 0},
	{Key: "rss_conn", Title: "RSS/conn", Unit: "B", Digits: 0},
	{Key: "pss_conn", Title: "PSS/conn", Unit: "B", Digits: 0},
	{Key: "kernel_conn", Title: "kernel/conn, both ends", Unit: "B", Digits: 0},
	{Key: "rss_first_mb", Title: "RSS first", Unit: "MB", Digits: 1},
	{Key: "idle_cpu", Title: "idle CPU", Unit: "cores", Digits: 3},
	{Key: "connect_us", Title: "CPU/handshake", Unit: "µs", Digits: 1},
	{Key: "handshakes", Title: "handshakes/s", Digits: 0, More: true},
	{Key: "rss_mb", Title: "RSS", Unit: "MB", Digits: 1},
	{Key: "pss_mb", Title: "PSS", Unit: "MB", Digits: 1},
	{Key: "lag_p99_us", Title: "client's lag p99", Unit: "µs", Digits: 0},
	{Key: "delivery_cpu_us", Title: "CPU/delivery", Unit: "µs", Digits: 2},
	{Key: "first_us", Title: "first", Unit: "µs", Digits: 0},
	{Key: "last_us", Title: "last", Unit: "µs", Digits: 0},
	{Key: "last_p99_us", Title: "last p99", Unit: "µs", Digits: 0},
	{Key: "join_us", Title: "CPU/join", Unit: "µs", Digits: 1},
	{Key: "joins", Title: "joins/s", Digits: 0, More: true},
	{Key: "call_cpu_us", Title: "CPU/call", Unit: "µs", Digits: 1},
	{Key: "calls", Title: "calls/s", Digits: 0, More: true},
	{Key: "life_cpu_us", Title: "CPU/connection", Unit: "µs", Digits: 1},
	{Key: "lives", Title: "connections/s", Digits: 0, More: true},
	{Key: "wire_bytes", Title: "on the wire/update", Unit: "B", Digits: 0},
	{Key: "payload_bytes", Title: "TCP payload/update", Unit: "B", Digits: 0},
	{Key: "requests", Title: "requests/s", Digits: 0},
	{Key: "arrivals", Title: "updates/s", Digits: 0, More: true},
	{Key: "update_cpu_us", Title: "CPU/update", Unit: "µs", Digits: 2},
	{Key: "age_p50_ms", Title: "age p50", Unit: "ms", Digits: 2},
	{Key: "age_p99_ms", Title: "age p99", Unit: "ms", Digits: 2},
	{Key: "ideal", Title: "of ideal", Unit: "%", Digits: 1, More: true},
	{Key: "ping_p99_us", Title: "ping p99", Unit: "µs", Digits: 0},
	{Key: "handshake_p99_us", Title: "handshake p99", Unit: "µs", Digits: 0},
	{Key: "close_p99_us", Title: "close p99", Unit: "µs", Digits: 0},
	{Key: "threads", Title: "threads", Digits: 0},
	{Key: "client_cpu", Title: "client CPU", Unit: "cores", Digits: 2},
	{Key: "server_cpu", Title: "server CPU", Unit: "cores", Digits: 2},
	{Key: "others_cpu", Title: "others' CPU", Unit: "cores", Digits: 2},
}

// MetricOf finds a metric by its key.
func MetricOf(key string) (Metric, bool) {
	for _, m := range metrics {
		if m.Key == key {
			return m, true
		}
	}
	return Metric{}, false
}

// Sample is what one case measured at one server in one round.
type Sample struct {
	Scenario string             `json:"scenario"`
	Case     string             `json:"case"`
	Server   string             `json:"server"`
	Round    int                `json:"round"`
	Values   map[string]float64 `json:"values,omitempty"`
	Latency  *load.Histogram    `json:"latency,omitempty"`
	// Columns are the keys of the metrics shown for the case, the deciding one first.
	Columns []string `json:"columns"`
	// Failed says why the figures must not be compared. The server, not the
	// benchmark, is at fault.
	Failed string `json:"failed,omitempty"`
}

// Unmeasured are the columns that have no value, though the sample has not failed.
func (s *Sample) Unmeasured() (keys []string) {
	for _, key := range s.Columns {
		if _, ok := s.Values[key]; !ok && s.Failed == "" {
			keys = append(keys, key)
		}
	}
	return keys
}

// Worker is the part of a load worker that scenarios use.
type Worker interface {
	Dial(load.Dial) error
	Connect(load.Connect, func(load.Progress)) (*load.Opened, error)
	Run(load.Run, func(load.Progress)) (*load.Result, error)
	Check(load.Check) (*load.Checked, error)
	Churn(load.Churn, func(load.Progress)) (*load.Churned, error)
	Fanout(load.Fanout, func(load.Progress)) (*load.Fanned, error)
	Updates(load.Updates) (*load.Updated, error)
	Join(load.Join, func(load.Progress)) (*load.Joined, error)
	Publish(load.Publish, func(load.Progress)) (*load.Fanned, error)
	Post(load.Post, func(load.Progress)) (*load.Posted, error)
	PID() int
}

// Need is a part of the contract of bench/peers.
type Need string

// The parts.
const (
	NeedEcho   Need = "echo"   // messages come back
	NeedFanout Need = "fanout" // /pub sends to every /sub
	NeedStall  Need = "stall"  // so it does when a few /sub never read
	NeedNews   Need = "news"   // it is bench/servers/updates
	NeedSleep  Need = "sleep"  // /sleep/<duration> blocks its handler

	NeedDeflate Need = "deflate" // with --deflate it compresses messages, and takes no context over to the next

	NeedTLS Need = "tls" // with --tls-cert and --tls-key it speaks TLS

	NeedChannels Need = "channels" // it is a push backend that has PushApp
	NeedPublish  Need = "publish"  // so it is, or it is the bare fan-out
)

// Scenario is one kind of work.
type Scenario interface {
	// Name is the word that selects it.
	Name() string
	// Settings are written into the results.
	Settings() map[string]any
	// Need is what a server must be able to do to take part.
	Need() Need
	// Clients is how many load workers it needs.
	Clients() int
	// Estimate is how long Measure takes, for the progress display.
	Estimate() time.Duration
	// Measure does the work once. Its error is trouble of the benchmark's own;
	// what the server did wrong is in the samples.
	Measure(ctx context.Context, t *Target) ([]Sample, error)
}

// Calibrated is a Scenario that first has to learn something at one server,
// the one all are compared with.
type Calibrated interface {
	Scenario
	Calibrate(ctx context.Context, t *Target) error
}

// bytesWord writes a size the way people say it.
func bytesWord(n int) string {
	if n >= 1<<10 && n%(1<<10) == 0 {
		return fmt.Sprintf("%d KB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

const megabyte = 1 << 20
