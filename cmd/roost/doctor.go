package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
)

// doctorCmd says how many connections fit on this machine, and what to change
// for more.
type doctorCmd struct {
	Connections int    `env:"-" placeholder:"N" help:"How many there are to be; by default a million, or what memory allows."`
	PID         int    `name:"pid" env:"-" placeholder:"PID" help:"A running server, whose limits then count instead of those of this shell."`
	Root        string `env:"-" default:"/" placeholder:"FOLDER" help:"Where proc and sys are, as of a host mounted into a container (${default})."`
	JSON        bool   `env:"-" help:"Print the findings as JSON."`
}

// finding is one thing that was looked at.
type finding struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// State is ok; low: it is in the way of the connections that are wanted; note:
	// it may matter elsewhere; or unknown.
	State string `json:"state"`
	Why   string `json:"why"`
	// Bound is how many connections it leaves room for; 0: it does not say.
	Bound int64 `json:"bound,omitempty"`
	// Fix is what to type, or to set.
	Fix string `json:"fix,omitempty"`
}

// diagnosis is all of it.
type diagnosis struct {
	Connections int64     `json:"connections"` // that fit
	BoundBy     string    `json:"bound_by"`
	Wanted      int64     `json:"wanted"`
	Findings    []finding `json:"findings"`
}

func (d *doctorCmd) Run(env environment) error {
	if d.Connections < 0 || d.Connections > wantedMax || d.PID < 0 {
		return exitf(exitUsage, "--connections goes from 1 to %d, and --pid from 1", wantedMax)
	}
	m := &machine{files: os.DirFS(d.Root), pid: "self"}
	if d.PID > 0 {
		m.pid = fmt.Sprint(d.PID)
	} else {
		raiseDescriptors() // as a server would, so that its limit is what is looked at
	}
	if m.text("/proc/"+m.pid+"/limits") == "" {
		return exitf(exitFailure, "%s cannot be read: doctor knows Linux only, and processes that you may look at", strings.TrimSuffix(d.Root, "/")+"/proc/"+m.pid+"/limits")
	}
	found := diagnose(m, int64(d.Connections))
	if d.JSON {
		if err := printJSON(env, found); err != nil {
			return err
		}
	} else {
		found.print(env)
	}
	if d.Connections > 0 && found.Connections < found.Wanted {
		return exitf(exitFailure, "about %d connections fit, and not %d: %s is in the way", found.Connections, found.Wanted, found.BoundBy)
	}
	return nil
}

// print shows a table, the answer and what to type.
func (d *diagnosis) print(env environment) {
	table := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	for _, f := range d.Findings {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", f.State, f.Name, f.Value, f.Why)
	}
	table.Flush()
	fmt.Fprintf(env.stdout, "\nAbout %d connections fit here; the first thing in the way of more is %s.\n", d.Connections, d.BoundBy)
	for _, part := range []struct{ state, title string }{
		{"low", fmt.Sprintf("For %d connections:", d.Wanted)},
		{"note", "To think about:"},
	} {
		title := part.title
		for _, f := range d.Findings {
			if f.State != part.state || f.Fix == "" {
				continue
			}
			if title != "" {
				fmt.Fprintf(env.stdout, "\n%s\n", title)
				title = ""
			}
			fmt.Fprintf(env.stdout, "  %s\n", f.Fix)
		}
	}
	fmt.Fprintln(env.stdout, "\nLines for sysctl last until the next start of the machine; in /etc/sysctl.d/roost.conf, as name = value, they stay.")
}
