package million

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Table shows a record to a person.
func (r *Record) Table(w io.Writer) {
	h := r.Held
	fmt.Fprintf(w, "%s: %d connections, %s\n", r.Plan.Server.Name, r.Plan.Conns, r.Way.About())
	fmt.Fprintf(w, "this way because: %s\n", r.Why)
	if h.Failed != "" {
		fmt.Fprintf(w, "FAILED: %s\n", h.Failed)
	}
	fmt.Fprintf(w, "held: %d of %d, %d server and %d client processes\n", h.Descriptors, r.Plan.Conns, h.Servers, h.Clients)
	fmt.Fprintf(w, "connected in %.0f s: %.0f handshakes/s\n", h.ConnectSeconds, float64(h.Opened)/max(h.ConnectSeconds, 1e-3))
	if r.Way != UserMode { // whose processes are charged with what the host takes from the guest
		fmt.Fprintf(w, "server CPU per handshake %.0f us, idle afterwards %.2f %%\n", h.ConnectCPU, h.IdleCPU*100)
	}
	for _, a := range h.Answers {
		fmt.Fprintf(w, "answered a %s: %d of %d in %.1f s, p50 %v, p99 %v, max %v\n", a.Probe, a.Answered, r.Plan.Conns, a.Seconds, a.P50, a.P99, a.Max)
	}
	fmt.Fprintln(w)
	steps := []Footprint{h.Before, h.Connected, h.Rested, h.Answered}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "MB of 10^6 bytes\tbefore\tconnected\trested\tanswered\tbytes per connection\t")
	row := func(name string, of func(Footprint) float64) {
		fmt.Fprintf(t, "%s\t", name)
		for _, f := range steps {
			fmt.Fprintf(t, "%.1f\t", of(f)/1e6)
		}
		fmt.Fprintf(t, "%.0f\t\n", (of(h.Rested)-of(h.Before))/float64(max(1, h.Opened)))
	}
	row("server RSS", func(f Footprint) float64 { return float64(f.RSS) })
	row("server PSS", func(f Footprint) float64 { return float64(f.PSS) })
	row("server RSS, peak", func(f Footprint) float64 { return float64(f.Peak) })
	if len(h.Rested.Go) > 0 {
		for _, g := range []struct{ title, name, less string }{
			{"Go heap in use", "HeapInuse", ""},
			{"Go heap, live and garbage", "HeapAlloc", ""},
			{"Go heap idle, not returned", "HeapIdle", "HeapReleased"},
			{"next collection at", "NextGC", ""},
			{"Go stacks", "Stack", ""},
			{"Go collector's own", "GCSys", ""},
		} {
			row(g.title, func(f Footprint) float64 { return f.Go[g.name] - f.Go[g.less] })
		}
	}
	row("kernel, socket slabs", func(f Footprint) float64 { return float64(f.Kernel.SlabBytes()) })
	row("whole machine", func(f Footprint) float64 { return float64(f.Used) })
	t.Flush()
	fmt.Fprintf(w, "\nthreads %d, TCP sockets on both ends %d, the clients' RSS %.1f MB\n", h.Rested.Threads, h.Rested.Kernel.TCP, float64(h.ClientRSS)/1e6)
}
