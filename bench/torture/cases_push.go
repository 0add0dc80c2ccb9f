package torture

import "slices"

// pushCases are those of a server of the Pusher Channels protocol.
func pushCases(o *Options, p *pusher) []Case {
	return slices.Concat(
		violationCases(o),
		admissionCases(o, p),
		envelopeCases(p),
		signatureCases(p),
		clientEventCases(p),
		presenceCases(p),
		broadcastCases(),
		explosionCases(p),
		callCases(o, p),
	)
}

// violationCases are those of an echo server in which nothing is echoed but the
// control message: what breaks RFC 6455 breaks it in every dialect. They are not
// cut, which an echo server is there for, and large ones are left out: events are
// small, and servers need not take more.
func violationCases(o *Options) (all []Case) {
	const large = 8 << 10
	for _, c := range slices.Concat(framingCases(), controlCases(), reservedCases(), lengthCases(o), orderCases(), utf8Cases(), closeCases()) {
		if c.talk == nil || c.talk.end.how == alive || slices.ContainsFunc(c.talk.exchanges, func(x exchange) bool { return x.echoes() || x.size() > large }) {
			continue
		}
		all = append(all, c.only(Whole))
	}
	return all
}
