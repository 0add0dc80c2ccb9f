package torture

import (
	"context"
	"net"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A run that cannot be says why.
func TestRunNeedsAnEchoServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "ws://" + ln.Addr().String() + "/"
	ln.Close()
	plain := httptest.NewServer(nil)
	defer plain.Close()
	silent, unknown := startModel(t, "no-pong", Options{}), startModelOver(t, "", Options{}, newModelTLS(t, false))
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{URL: gone}, "nobody listens"},
		{Options{URL: strings.Replace(plain.URL, "http", "ws", 1) + "/"}, "no WebSocket server"},
		{Options{URL: "http://127.0.0.1/"}, "not of the form ws://"},
		{Options{URL: "https://127.0.0.1/"}, "not of the form ws://"},
		{Options{URL: unknown.url}, "certificate signed by unknown authority"},
		{Options{URL: strings.Replace(silent.url, "ws", "wss", 1)}, "no TLS"},
		{Options{URL: "ws:///"}, "not of the form ws://"},
		{Options{URL: silent.url, Pid: 1 << 30}, "cannot be watched"},
		{Options{URL: silent.url, Jobs: -1}, "cannot be negative"},
	} {
		if _, err := Run(t.Context(), c.o, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.o.URL, err, c.want)
		}
	}
}

// Results come one at a time, each case and mode once, and add up.
func TestRunReports(t *testing.T) {
	m := startModel(t, "any-length", Options{MaxMessage: 1 << 20})
	o := Options{URL: m.url, MaxMessage: 1 << 20, Run: regexp.MustCompile("^F5/|^F7/10"), Timeout: time.Second, Delay: stall, Pid: os.Getpid()}
	seen := map[string]bool{}
	failed := 0
	s, err := Run(t.Context(), o, func(r Result) {
		if seen[r.ID+r.Mode] {
			t.Errorf("%s (%s) twice", r.ID, r.Mode)
		}
		seen[r.ID+r.Mode] = true
		if !r.OK {
			failed++
			if !strings.HasPrefix(r.ID, "F5/") {
				t.Errorf("%v", r)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.OK() || failed != len(s.Failed) || len(seen) != s.Runs || s.Cases >= s.Runs || !seen["U1/canarywhole"] || !seen["U2/alivewhole"] || !seen["U3/descriptorswhole"] {
		t.Errorf("%+v, %d failed, %d seen", s, failed, len(seen))
	}
	var table strings.Builder
	s.Table(&table)
	if !regexp.MustCompile(`(?m)^F7 +[0-9]+ +[0-9]+ +0$`).MatchString(table.String()) {
		t.Error(table.String())
	}
}

// A run that is called off ends.
func TestRunCancelled(t *testing.T) {
	m := startModel(t, "", Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, Options{URL: m.url}, nil); err != context.Canceled {
		t.Error(err)
	}
}

// U2: a server that a bad frame has ended is noticed, whatever the cases say.
func TestAlive(t *testing.T) {
	m := startModel(t, "dies", Options{})
	s, err := Run(t.Context(), Options{URL: m.url, Run: regexp.MustCompile("^F5/text-5-in-16-bits$"), Timeout: time.Second}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(s.Failed, func(r Result) bool { return r.ID == "U2/alive" }) {
		t.Errorf("not noticed: %v", s.Failed)
	}
}

// U1: a server that breaks an honest connection because of others is noticed.
func TestCanary(t *testing.T) {
	m := startModel(t, "", Options{})
	o := m.o
	watch := watchCanary(&o)
	watch.settle()
	time.Sleep(250 * time.Millisecond)
	if heard, err := watch.stop(); err != nil || heard.echoes == 0 || heard.p99 == 0 || heard.calm == 0 {
		t.Errorf("%+v: %v", heard, err)
	}
	m = startModel(t, "wide-reply", Options{})
	o = m.o
	watch = watchCanary(&o)
	watch.settle()
	if _, err := watch.stop(); err == nil || watch.dump() == "" {
		t.Error("a broken echo was not noticed")
	}
}

// U1: a server that lets an honest connection wait because of others is noticed.
func TestCanaryDelay(t *testing.T) {
	w := watch{o: &Options{Delay: 50 * time.Millisecond}}
	for _, row := range []struct {
		p99, calm time.Duration
		ok        bool
	}{
		{50 * time.Millisecond, time.Millisecond, true},
		{51 * time.Millisecond, time.Millisecond, false},
		{100 * time.Millisecond, 20 * time.Millisecond, true},
		{101 * time.Millisecond, 20 * time.Millisecond, false},
	} {
		if b := w.checkDelay(song{echoes: 100, p99: row.p99, calm: row.calm}); (b == nil) != row.ok {
			t.Errorf("p99 %v where %v was the longest alone: %+v", row.p99, row.calm, b)
		}
	}
}

func thisProcess(t *testing.T) *process {
	t.Helper()
	p, err := processOf(os.Getpid())
	if err != nil {
		t.Skip(err)
	}
	return p
}

// The process's figures are those of this one.
func TestProcess(t *testing.T) {
	p := thisProcess(t)
	n, err := p.descriptors()
	if err != nil || n < 3 {
		t.Errorf("%d descriptors: %v", n, err)
	}
	if b, err := p.resident(); err != nil || b < 1<<20 || b > 1<<34 {
		t.Errorf("%d bytes resident: %v", b, err)
	}
	spent, err := p.cpu()
	if err != nil || spent < 0 || spent > 24*time.Hour {
		t.Errorf("%v: %v", spent, err)
	}
}
