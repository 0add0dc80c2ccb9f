package run

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/roost-ws/roost/bench/scenario"
)

// Every scenario about channels, with few clients, at the real roost serve: the
// load client's idea of the protocol and the server's are the same, and nothing that
// the client looks for is found.
func TestBackends(t *testing.T) {
	root, err := filepath.Abs("../..") // the servers run there
	if err != nil {
		t.Fatal(err)
	}
	idle := scenario.Idle{From: 10, To: 20, Steps: 2, Settle: time.Millisecond}
	p := Plan{Servers: Backends(root)}
	for _, s := range []scenario.Scenario{
		&scenario.PushStorm{Users: 40, Concurrency: 8},
		&scenario.PushStorm{Users: 30, Concurrency: 4, Presence: true},
		&scenario.PushFanout{Fanout: scenario.Fanout{Subscribers: 40, Size: 256, Messages: 5, Every: time.Millisecond}},
		&scenario.PushPost{Subscribers: 3, Size: 256, Callers: 4, Window: 50 * time.Millisecond},
		&scenario.PushIdle{Idle: idle},
		&scenario.PushIdle{Idle: idle, Own: true},
	} {
		p.Parts = append(p.Parts, Part{Scenario: s, Rounds: 1})
	}
	for _, s := range p.Servers {
		if err := s.Prepare(t.Context()); err != nil || s.Missing != "" {
			t.Fatal(err, s.Missing)
		}
	}
	seen := 0
	p.Emit = func(s scenario.Sample) error {
		seen++
		if s.Failed != "" {
			t.Errorf("%s at %s: %s", s.Scenario, s.Server, s.Failed)
			return nil
		}
		for _, column := range s.Columns {
			if _, ok := s.Values[column]; !ok {
				t.Errorf("%s at %s has no %s", s.Scenario, s.Server, column)
			}
			if _, ok := scenario.MetricOf(column); !ok {
				t.Errorf("%s has the column %s, which is no metric", s.Scenario, column)
			}
		}
		return nil
	}
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if seen != 7 {
		t.Errorf("%d samples, want six of roost serve and one of the bare fan-out", seen)
	}
}
