package scenario

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/roost-ws/roost/bench/load"
)

// PushApp is the app that a push backend under test has to have, with room for
// as many members of a presence channel as PushMembers.
var PushApp = load.App{ID: "1", Key: "bench-key", Secret: "bench-secret"}

// PushMembers is the largest presence channel.
const PushMembers = 5000

// The channels that clients of a push backend subscribe to.
const (
	pushChannel     = "bench"
	pushOwnChannels = "own-"
	pushRoom        = "presence-bench"
)

// joining is what a Join takes beside who joins what.
func joining(count, concurrency int, channel string, own bool) load.Join {
	return load.Join{App: PushApp, Count: count, Concurrency: concurrency, Channel: channel, Own: own, Deadline: 2 * time.Minute}
}

// ask makes a signed GET of the target's HTTP API.
func (t *Target) ask(ctx context.Context, path, params string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+t.Addr+PushApp.Target(http.MethodGet, path, nil, params, time.Now()), nil)
	if err != nil {
		return "", fmt.Errorf("scenario: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("scenario: HTTP API: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", fmt.Errorf("scenario: HTTP API: %w", err)
	}
	return resp.Status + " " + string(body), nil
}

// subscribed makes sure that the server has n subscriptions, by its own word.
func (t *Target) subscribed(ctx context.Context, n int, own bool) (failed string, err error) {
	path, params, what := "/channels/"+pushChannel, "info=subscription_count", fmt.Sprintf(`"subscription_count":%d`, n)
	if own {
		path, params, what = "/channels", "filter_by_prefix="+pushOwnChannels, `"`+pushOwnChannels
	}
	said, err := t.ask(ctx, path, params)
	if err != nil {
		return "", err
	}
	if count := strings.Count(said, what); !own && count != 1 || own && count != n {
		return fmt.Sprintf("%d clients have subscribed, the server says %.300s", n, said), nil
	}
	return "", nil
}

// PushIdle is Idle for clients of a push backend that are subscribed to one
// channel each: the same, or one of their own.
type PushIdle struct {
	Idle
	Own bool
}

// Name implements Scenario.
func (e *PushIdle) Name() string {
	if e.Own {
		return "push-idle-own"
	}
	return "push-idle"
}

// Need implements Scenario.
func (e *PushIdle) Need() Need { return NeedChannels }

// Measure implements Scenario.
func (e *PushIdle) Measure(ctx context.Context, t *Target) ([]Sample, error) {
	what, channel := "the same channel", pushChannel
	if e.Own {
		what, channel = "a channel of its own", pushOwnChannels
	}
	return e.measure(ctx, t, Sample{
		Scenario: e.Name(), Case: fmt.Sprintf("memory of a client subscribed to %s, %d to %d", what, e.From, e.To),
		Columns: []string{"rss_conn", "pss_conn", "kernel_conn", "rss_first_mb", "rss_mb", "threads", "idle_cpu", "join_us", "joins"},
	}, clientsOf{
		grow: func(n int) (load.Opened, error) {
			return t.growBy(n, func(w Worker, more int) (*load.Opened, error) {
				r, err := w.Join(joining(more, 128, channel, e.Own), t.progress("joining"))
				if err != nil {
					return nil, err
				}
				return &load.Opened{Opened: r.Joined, Elapsed: r.Elapsed, ServerCPU: r.ServerCPU, Failures: r.Failures}, nil
			})
		},
		check: func(n int) (failed string, err error) {
			if failed, err = t.probe(n, load.Ping); err != nil || failed != "" {
				return failed, err
			}
			return t.subscribed(ctx, n, e.Own)
		},
		cpu: "join_us", rate: "joins",
	})
}

// PushStorm has clients connect and subscribe as fast as they can, as after a
// restart of the backend; or, with Presence, enter one room.
type PushStorm struct {
	Users       int
	Concurrency int // clients not yet subscribed at one time
	Presence    bool
}

// Name implements Scenario.
func (e *PushStorm) Name() string {
	if e.Presence {
		return "push-presence"
	}
	return "push-storm"
}

// Need implements Scenario.
func (e *PushStorm) Need() Need { return NeedChannels }

// Clients implements Scenario.
func (e *PushStorm) Clients() int { return 1 }

// Settings implements Scenario.
func (e *PushStorm) Settings() map[string]any {
	return map[string]any{"clients": e.Users, "concurrency": e.Concurrency}
}

// Estimate implements Scenario.
func (e *PushStorm) Estimate() time.Duration {
	told := 0
	if e.Presence {
		told = e.Users * e.Users / 2
	}
	return time.Second + time.Duration(e.Users)*150*time.Microsecond + time.Duration(told)*5*time.Microsecond
}

// Measure implements Scenario.
func (e *PushStorm) Measure(_ context.Context, t *Target) ([]Sample, error) {
	s := Sample{
		Scenario: e.Name(), Server: t.Server, Round: t.Round, Values: map[string]float64{},
		Case:    fmt.Sprintf("%d clients connect and subscribe, %d at a time", e.Users, e.Concurrency),
		Columns: []string{"join_us", "joins", "p50_us", "p99_us", "max_us", "rss_mb"},
	}
	channel := pushChannel
	if e.Presence {
		s.Case = fmt.Sprintf("%d users enter one room, %d at a time, and all hear of all", e.Users, e.Concurrency)
		s.Columns = []string{"join_us", "joins", "p50_us", "p99_us", "max_us", "delivery_cpu_us", "rss_mb"}
		channel = pushRoom
	}
	if err := t.dial("/"); err != nil {
		return nil, err
	}
	// A program's first clients pay for lazy starts.
	if warm, err := t.Workers[0].Join(joining(stormWarm, e.Concurrency, "warm", false), nil); err != nil || warm.Failures.Total() > 0 {
		s.Failed = "while warming up: " + warm.Failures.String()
		return []Sample{s}, err
	}
	r, err := t.Workers[0].Join(joining(e.Users, e.Concurrency, channel, false), t.progress("joining"))
	if err != nil {
		return nil, err
	}
	if s.Failed = r.Failures.String(); s.Failed != "" {
		return []Sample{s}, nil
	}
	if s.Failed, err = t.held(e.Users + stormWarm); err != nil || s.Failed != "" {
		return []Sample{s}, err
	}
	s.Latency = r.Latency
	s.Values["join_us"] = micros(r.ServerCPU) / float64(r.Joined)
	s.Values["joins"] = float64(r.Joined) / r.Elapsed.Seconds()
	if r.Told > 0 {
		s.Values["delivery_cpu_us"] = micros(r.ServerCPU) / float64(r.Told)
	}
	s.quantiles(r.Latency)
	return []Sample{s}, t.footprint(&s)
}
