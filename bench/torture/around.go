package torture

import "fmt"

// Excuses are invariants that cannot hold of a server while something is done to
// it, by their ids in the summary (U1/canary), each with the reason why.
type Excuses map[string]string

// Watched is a server to which somebody else than the suite does something: a
// test that takes its descriptors away, or stops its process.
type Watched struct{ r *runner }

// Watch looks at a server, and has an honest client talk to it from then on. Of the
// invariants all are looked at but U7, and of U6 the counters: what others send the
// suite has not counted. U4 and U8 are seen in what the honest client gets.
func Watch(o Options, excuses Excuses) (*Watched, error) {
	if err := o.prepare(); err != nil {
		return nil, err
	}
	r := &runner{o: &o}
	if o.Pid != 0 {
		var err error
		if r.process, err = processOf(o.Pid); err != nil {
			return nil, err
		}
	}
	lost := map[string]bool{"U7/cpu": true, "U7/memory": true}
	for id, why := range excuses {
		if invariants[id] == "" || why == "" {
			return nil, fmt.Errorf("torture: excuse %q for %q: there is no such invariant, or no reason", why, id)
		}
		lost[id] = true
	}
	var err error
	if r.watch, err = newWatch(&o, r.process, lost); err != nil {
		return nil, fmt.Errorf("torture: the server cannot be watched: %w", err)
	}
	return &Watched{r}, nil
}

// Done looks at the server once more, when all others have left, and returns what
// does not hold.
func (w *Watched) Done() []Result {
	w.r.end()
	return w.r.summary.Failed
}
