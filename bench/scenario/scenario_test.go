package scenario

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/roost-ws/roost/bench/load"
)

// liar is a worker that says all went well.
type liar struct {
	Worker
	opened int
}

func (l *liar) Dial(load.Dial) error { return nil }
func (l *liar) Connect(o load.Connect, _ func(load.Progress)) (*load.Opened, error) {
	l.opened += o.Count
	return &load.Opened{Opened: o.Count, Handshake: load.NewHistogram()}, nil
}
func (l *liar) Check(load.Check) (*load.Checked, error) {
	return &load.Checked{Answered: l.opened}, nil
}
func (l *liar) Join(o load.Join, _ func(load.Progress)) (*load.Joined, error) {
	return &load.Joined{Joined: o.Count, Latency: load.NewHistogram()}, nil
}
func (l *liar) Run(load.Run, func(load.Progress)) (*load.Result, error) {
	return &load.Result{Latency: load.NewHistogram(), Window: time.Second, Messages: 1}, nil
}

// A server that does not hold the connections it is said to hold is found out.
func TestHeldConnectionsAreCounted(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, s := range []Scenario{
		&Echo{Conns: 10, Cases: EchoCases([]int{128}, []int{1}), Window: time.Second},
		&Rate{Conns: 10, Size: 128, PerConn: 1, Batch: 1, Window: time.Second},
		&Idle{From: 10, To: 20, Steps: 2},
		&Fanout{Subscribers: 10, Size: 128, Messages: 1},
		&PushStorm{Users: 10},
	} {
		target := &Target{Addr: ln.Addr().String()}
		for range s.Clients() {
			target.Workers = append(target.Workers, &liar{})
		}
		samples, err := s.Measure(t.Context(), target)
		if err != nil || len(samples) == 0 {
			t.Fatal(s.Name(), samples, err)
		}
		for _, sample := range samples {
			if !strings.Contains(sample.Failed, "the server holds 0") {
				t.Errorf("%s: failed %q", s.Name(), sample.Failed)
			}
		}
	}
}

// So is one that holds the connections and has forgotten who is subscribed.
func TestSubscriptionsAreCounted(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/apps/"+PushApp.ID+"/channels" {
			io.WriteString(w, `{"channels":{"own-1":{},"own-2":{}}}`)
			return
		}
		io.WriteString(w, `{"occupied":true,"subscription_count":9}`)
	}))
	defer api.Close()
	target := &Target{Addr: api.Listener.Addr().String()}
	for _, c := range []struct {
		n    int
		own  bool
		want string
	}{{9, false, ""}, {10, false, "10 clients"}, {2, true, ""}, {3, true, "3 clients"}} {
		failed, err := target.subscribed(t.Context(), c.n, c.own)
		if err != nil || (failed == "") != (c.want == "") || !strings.Contains(failed, c.want) {
			t.Errorf("%+v: %q, %v", c, failed, err)
		}
	}
	target.Workers = []Worker{&liar{}}
	samples, err := (&PushFanout{Fanout{Subscribers: 10, Size: 128, Messages: 1}}).Measure(t.Context(), target)
	if err != nil || !strings.Contains(samples[0].Failed, "10 clients have subscribed") {
		t.Error(samples, err)
	}
}

// Every column of a sample is a metric that exists.
func TestColumnsAreMetrics(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range metrics {
		if seen[m.Key] || m.Title == "" {
			t.Errorf("the metric %+v is doubled or has no title", m)
		}
		seen[m.Key] = true
	}
	for _, key := range messageColumns {
		if !seen[key] {
			t.Errorf("the column %s is no metric", key)
		}
	}
}

func TestSharesAddUp(t *testing.T) {
	for _, n := range []int{0, 1, 2, 7, 19_000} {
		for parts := 1; parts < 5; parts++ {
			sum := 0
			for i := range parts {
				sum += share(n, parts, i)
			}
			if sum != n {
				t.Errorf("%d in %d parts are %d", n, parts, sum)
			}
		}
	}
}
