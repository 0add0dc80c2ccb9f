package metrics

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/roost-ws/roost/server"
)

// value returns the number on the line of a metric.
func value(t *testing.T, text, name string) float64 {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no %s in\n%s", name, text)
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// hold opens n more descriptors until the test ends.
func hold(t *testing.T, n int) {
	t.Helper()
	for range n {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
	}
}

// The process's figures are those of this process.
func TestProcess(t *testing.T) {
	before := scrape(t, newProcess())
	hold(t, 100)
	after := scrape(t, newProcess())
	if got := value(t, after, "process_open_fds") - value(t, before, "process_open_fds"); got < 90 || got > 110 {
		t.Errorf("100 descriptors more are %v", got)
	}
	if most := value(t, after, "process_max_fds"); most-value(t, after, "process_open_fds") != value(t, after, "process_free_fds") {
		t.Errorf("of %v descriptors, %v are open and %v free", most, value(t, after, "process_open_fds"), value(t, after, "process_free_fds"))
	}
	age := float64(time.Now().Unix()) - value(t, after, "process_start_time_seconds")
	if age < -2 || age > 3600 {
		t.Errorf("the process is %v seconds old", age)
	}
	resident, virtual := value(t, after, "process_resident_memory_bytes"), value(t, after, "process_virtual_memory_bytes")
	if resident < 1<<20 || virtual < resident {
		t.Errorf("resident %v, virtual %v", resident, virtual)
	}
	for end := time.Now().Add(50 * time.Millisecond); time.Now().Before(end); {
	}
	if value(t, scrape(t, newProcess()), "process_cpu_seconds_total") <= value(t, before, "process_cpu_seconds_total") {
		t.Error("no CPU time passes")
	}
}

// A scrape costs the same memory however many descriptors are open: both ways of
// counting them.
func TestCountingDescriptorsIsCheap(t *testing.T) {
	const dir = "/proc/self/fd"
	cost := func(count func(string) (int, error)) float64 {
		return testing.AllocsPerRun(20, func() {
			if _, err := count(dir); err != nil {
				t.Fatal(err)
			}
		})
	}
	few, fewNamed := cost(descriptors), cost(countEntries)
	hold(t, 500)
	many, manyNamed := cost(descriptors), cost(countEntries)
	if many > few+2 || manyNamed > fewNamed+2 {
		t.Errorf("with 500 descriptors more %v allocations instead of %v, or %v instead of %v", many, few, manyNamed, fewNamed)
	}
	n, err := descriptors(dir)
	counted, errCounted := countEntries(dir)
	if err != nil || errCounted != nil || n-counted < -3 || n-counted > 3 {
		t.Errorf("%d descriptors (%v), or %d when they are counted (%v)", n, err, counted, errCounted)
	}
	if _, err := countEntries("/nowhere"); err == nil {
		t.Error("a folder that is not there has entries")
	}
}

// What the kernel says is read, and shown when it says it.
func TestKernel(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sockstat")
	if err := os.WriteFile(path, []byte("sockets: used 9\nTCP: inuse 4 orphan 1 tw 7 alloc 5 mem 3 new 8\nUDP: inuse 2 mem 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := tcpSockets(path)
	for state, want := range map[string]float64{"in_use": 4, "orphan": 1, "time_wait": 7, "allocated": 5, "mem": 3} {
		if got[state] != want {
			t.Errorf("%s: %v, want %v", state, got[state], want)
		}
	}
	if len(got) != 5 || tcpSockets("/nowhere") != nil {
		t.Errorf("got %v", got)
	}
	text := scrape(t, newKernel("x_", func() server.Stats { return server.Stats{Conns: 1000} }))
	if each := value(t, text, "x_memory_per_connection_bytes"); each < 1000 || each > 10e6 {
		t.Errorf("%v bytes by connection", each)
	}
	none := scrape(t, newKernel("x_", func() server.Stats { return server.Stats{} }))
	if each := value(t, none, "x_memory_per_connection_bytes"); each != 0 {
		t.Errorf("%v bytes by none", each)
	}
	if value(t, text, "x_kernel_tcp_memory_max_bytes") < value(t, text, "x_kernel_tcp_memory_pressure_bytes") {
		t.Error("the pressure comes above the maximum")
	}
	value(t, text, "x_kernel_tcp_memory_bytes")
	value(t, text, `x_kernel_tcp_sockets{state="in_use"}`)
}
