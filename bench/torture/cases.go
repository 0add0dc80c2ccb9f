package torture

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// allCases is the table of the server's dialect, in order. Some sizes in it are
// limits that the server was started with, and the handshakes name its host and path.
func allCases(o *Options) []Case {
	all := o.dialect.cases(o)
	slices.SortFunc(all, func(a, b Case) int { return cmp.Or(compareRows(a.ID, b.ID), cmp.Compare(a.ID, b.ID)) })
	return all
}

// echoCases are those of an echo server.
func echoCases(o *Options) []Case {
	return slices.Concat(
		framingCases(),
		controlCases(),
		reservedCases(),
		lengthCases(o),
		fragmentCases(),
		orderCases(),
		utf8Cases(),
		closeCases(),
		codeCases(o),
		limitCases(o),
		bulkCases(o),
		handshakeCases(o),
		headerCases(o),
		syntaxCases(o),
		offerCases(o),
		boundCases(o),
		earlyCases(o),
		streamCases(o),
		floodCases(o),
		crowdCases(),
		processCases(o),
		silentCases(o),
		fullCases(o),
		deflateCases(o),
		tlsCases(o),
	)
}

// compareRows orders ids, or rows, by their row: F2 before F10.
func compareRows(a, b string) int {
	number := func(id string) int {
		row, _, _ := strings.Cut(id, "/")
		n, _ := strconv.Atoi(row[1:])
		return n
	}
	return cmp.Or(cmp.Compare(a[:1], b[:1]), cmp.Compare(number(a), number(b)))
}
