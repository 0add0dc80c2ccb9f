package report

import (
	"cmp"
	"slices"

	"github.com/roost-ws/roost/bench/run"
	"github.com/roost-ws/roost/bench/scenario"
)

// Spread is a figure over the rounds of a run.
type Spread struct {
	Median, Min, Max float64
	N                int
}

func spreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	v := slices.Sorted(slices.Values(values))
	mid := v[len(v)/2]
	if len(v)%2 == 0 {
		mid = (v[len(v)/2-1] + v[len(v)/2]) / 2
	}
	return Spread{Median: mid, Min: v[0], Max: v[len(v)-1], N: len(v)}
}

// Row is one server's figures in one case.
type Row struct {
	Server *run.Server
	Values map[string]Spread
	// Ratio is the deciding figure divided by the baseline's of the same
	// round: what slowed a whole round down cancels out.
	Ratio  Spread
	Failed string // why there are no figures
}

// Case is a table: servers by metrics.
type Case struct {
	Scenario string
	Name     string
	Columns  []scenario.Metric // the deciding one first
	Rows     []Row
	Rounds   int
	Baseline string // the server ratios refer to; empty when there is none
}

// Cases arranges the samples. baseline names the server to compare with; when
// it has no figures in a case, the best Go peer of that case takes its place,
// and where there is none, the first server. A server that did not start or did
// not stay alive has failed in every case of the scenario; that is a case of its
// own only where there is no other.
func (r *Results) Cases(baseline string) []Case {
	var cases []Case
	for _, d := range r.Header.Scenarios {
		var names, without []string
		for _, s := range r.Samples {
			switch {
			case s.Scenario != d.Name:
			case ofWholeScenario(s):
				without = append(without, s.Case)
			case !slices.Contains(names, s.Case):
				names = append(names, s.Case)
			}
		}
		if len(names) == 0 && len(without) > 0 {
			names = without[:1]
		}
		for _, name := range names {
			cases = append(cases, r.table(d, name, baseline))
		}
	}
	return cases
}

// ofWholeScenario tells a failure to start or to stay alive, which is no case's:
// it has not come to any, and has no columns.
func ofWholeScenario(s scenario.Sample) bool { return s.Failed != "" && len(s.Columns) == 0 }

func (r *Results) table(d Described, name, baseline string) Case {
	c := Case{Scenario: d.Name, Name: name, Rounds: d.Rounds}
	rounds := map[string]map[int]float64{} // deciding figure by server and round
	for _, server := range r.Header.Servers {
		if !slices.Contains(server.Does, d.Need) {
			continue
		}
		row := Row{Server: server, Values: map[string]Spread{}, Failed: server.Missing}
		values := map[string][]float64{}
		rounds[server.Name] = map[int]float64{}
		for _, s := range r.Samples {
			if s.Scenario != d.Name || s.Server != server.Name || s.Case != name && !ofWholeScenario(s) {
				continue
			}
			if s.Failed != "" {
				row.Failed = s.Failed
				continue
			}
			if c.Columns == nil {
				c.Columns = metricsOf(s)
			}
			rounds[server.Name][s.Round] = s.Values[s.Columns[0]]
			for key, v := range s.Values {
				values[key] = append(values[key], v)
			}
		}
		if row.Failed == "" && len(values) == 0 {
			row.Failed = "it was not measured"
		}
		if row.Failed == "" {
			for key, v := range values {
				row.Values[key] = spreadOf(v)
			}
		}
		c.Rows = append(c.Rows, row)
	}
	if len(c.Columns) == 0 {
		return c
	}
	c.Baseline = c.chooseBaseline(baseline)
	for i := range c.Rows {
		row := &c.Rows[i]
		var ratios []float64
		for round, v := range rounds[row.Server.Name] {
			if base := rounds[c.Baseline][round]; base > 0 && row.Failed == "" {
				ratios = append(ratios, v/base)
			}
		}
		row.Ratio = spreadOf(ratios)
	}
	return c
}

func metricsOf(s scenario.Sample) []scenario.Metric {
	var columns []scenario.Metric
	for _, key := range s.Columns {
		if m, ok := scenario.MetricOf(key); ok {
			columns = append(columns, m)
		}
	}
	return columns
}

func (c *Case) chooseBaseline(wanted string) string {
	best, first := "", ""
	var value float64
	for _, row := range c.Rows {
		if row.Failed != "" {
			continue
		}
		if row.Server.Name == wanted {
			return wanted
		}
		if first == "" {
			first = row.Server.Name
		}
		v := row.Values[c.Columns[0].Key].Median
		if row.Server.Family == run.GoPeer && (best == "" || c.better(v, value)) {
			best, value = row.Server.Name, v
		}
	}
	return cmp.Or(best, first)
}

func (c *Case) better(a, b float64) bool {
	if c.Columns[0].More {
		return cmp.Compare(a, b) > 0
	}
	return cmp.Compare(a, b) < 0
}

// RowOf is the row of a server; nil when it has none.
func (c *Case) RowOf(server string) *Row {
	for i := range c.Rows {
		if c.Rows[i].Server.Name == server {
			return &c.Rows[i]
		}
	}
	return nil
}
