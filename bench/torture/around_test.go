package torture

import (
	"os"
	"strings"
	"testing"
	"time"
)

// What others do to a server shows, unless it is excused.
func TestWatch(t *testing.T) {
	thisProcess(t)
	defer func(d time.Duration) { settleWithin = d }(settleWithin)
	settleWithin = 300 * time.Millisecond
	grown := metricsOf(map[string]float64{`roost_paths{path="/x"}`: 1, goroutinesFigure: 40})
	for _, c := range []struct {
		name    string
		excuses Excuses
		shows   string
		want    string
	}{
		{"nothing happens", nil, metricsOf(nil), ""},
		{"the figures change", nil, grown, "U3/goroutines U6/closed-set"},
		{"and are excused", Excuses{"U3/goroutines": "a test", "U6/closed-set": "a test"}, grown, ""},
		{"without the honest client", Excuses{"U1/canary": "a test", "U6/closed-set": "a test"}, grown, "U3/goroutines"},
	} {
		t.Run(c.name, func(t *testing.T) {
			operator, admin := startOperator(t)
			m := startModel(t, "", Options{})
			w, err := Watch(Options{URL: m.url, Admin: admin, Pid: os.Getpid(), Timeout: time.Second, Delay: stall}, c.excuses)
			if err != nil {
				t.Fatal(err)
			}
			operator.shows(c.shows)
			var got []string
			for _, r := range w.Done() {
				got = append(got, r.ID)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %v, want %s", got, c.want)
			}
		})
	}
}

// The honest client notices that the server ends others than the one that is wrong.
func TestWatchHearsTheCanary(t *testing.T) {
	m := startModel(t, "dies-later", Options{})
	o := Options{URL: m.url, Timeout: time.Second, Delay: stall}
	w, err := Watch(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.prepare(); err != nil {
		t.Fatal(err)
	}
	b := &Bench{o: &o}
	defer b.hangUp()
	c, err := b.open()
	if err != nil {
		t.Fatal(err)
	}
	c.write(wireOf(reserved(text("wrong"), 0x20)).Bytes)
	c.next(o.Timeout)
	if got := w.Done(); len(got) == 0 || got[0].ID != "U1/canary" {
		t.Errorf("not noticed: %v", got)
	}
}

// An excuse is for something, and has a reason.
func TestExcuses(t *testing.T) {
	m := startModel(t, "", Options{})
	for _, e := range []Excuses{{"U9/nothing": "why not"}, {"U1/canary": ""}} {
		if _, err := Watch(Options{URL: m.url}, e); err == nil {
			t.Errorf("%v was taken", e)
		}
	}
}
