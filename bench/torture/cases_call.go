package torture

import "slices"

// callCases are about the HTTP API: who may call, what, and what it may cost; and
// about the calls that the server makes itself.
func callCases(o *Options, p *pusher) []Case {
	return slices.Concat(
		timestampCases(),
		forgeryCases(p.Other),
		bodyCases(p),
		jsonCases(),
		eventCases(p),
		batchCases(p),
		excludeCases(),
		keptCases(),
		routeCases(p),
		repeatCases(),
		operatorCases(o),
		hookCases(p),
	)
}
