package torture

import "slices"

// pushCases are those of a server of the Pusher Channels protocol.
func pushCases(o *Options, p *pusher) []Case {
	return slices.Concat(
		violationCases(),
		admissionCases(o, p),
		envelopeCases(p),
		signatureCases(p),
		clientEventCases(p),
		presenceCases(p),
		broadcastCases(),
		explosionCases(p),
	)
}

// violationCases are those of an echo server in which nothing is echoed but the
// control message: what breaks RFC 6455 breaks it in every dialect. Large ones are
// left out: events are small, and servers need not take more.
func violationCases() []Case {
	const large = 8 << 10
	return slices.DeleteFunc(slices.Concat(framingCases(), controlCases(), reservedCases(), orderCases(), utf8Cases(), closeCases()), func(c Case) bool {
		if c.talk == nil || c.talk.end.how == alive {
			return true
		}
		return slices.ContainsFunc(c.talk.exchanges, func(x exchange) bool {
			size := 0
			for _, p := range x.parts {
				size += p.size()
			}
			return size > large || slices.ContainsFunc(x.want, func(w expect) bool { return w.kind == Text || w.kind == Binary })
		})
	})
}
