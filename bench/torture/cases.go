package torture

import "slices"

// allCases is the table. Some sizes in it are limits that the server was
// started with, and the handshakes name its host and path.
func allCases(o *Options) []Case {
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
		processCases(o),
	)
}
