package webhook

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/roost-ws/roost/server/push"
)

// address is what tells endpoints apart, over restarts too.
type address struct{ app, url string }

// application is an App while it is served.
type application struct {
	key, secret string
	endpoints   []*endpoint
}

// endpoint is an Endpoint with what waits for it. It outlives changes of its
// configuration, and belongs to the Sender's lock.
type endpoint struct {
	address
	config  Endpoint
	app     *application
	headers http.Header
	kinds   kinds
	removed bool // no longer configured

	fresh queue     // never tried
	retry queue     // failed before
	open  *delivery // in fresh; takes more events in
	bytes int       // of both queues and what is in flight

	inFlight  int
	failures  int       // rounds in a row
	failedAt  time.Time // the last one
	notBefore time.Time // when failing: the next one of retry
	swept     time.Time // of deliveries too old
}

// configure gives the endpoint the settings of c.
func (ep *endpoint) configure(app *application, c Endpoint) {
	ep.app, ep.config, ep.kinds = app, c, 0
	for _, name := range c.Events {
		ep.kinds |= kindOf(name)
	}
	if len(c.Events) == 0 {
		ep.kinds = allKinds
	}
	ep.headers = make(http.Header)
	for name, value := range c.Headers {
		ep.headers.Set(name, value)
	}
}

// wants reports whether the endpoint is to hear of n.
func (ep *endpoint) wants(n *push.Notice) bool {
	begins := func(p string) bool { return strings.HasPrefix(n.Channel, p) }
	ends := func(s string) bool { return strings.HasSuffix(n.Channel, s) }
	return ep.kinds&kindOf(n.Name) != 0 &&
		(len(ep.config.ChannelPrefixes) == 0 || slices.ContainsFunc(ep.config.ChannelPrefixes, begins)) &&
		(len(ep.config.ChannelSuffixes) == 0 || slices.ContainsFunc(ep.config.ChannelSuffixes, ends))
}

// waiting is how many deliveries it has, those in flight included.
func (ep *endpoint) waiting() int { return len(ep.fresh) + len(ep.retry) + ep.inFlight }

func (ep *endpoint) failing() bool { return ep.failures >= failingAfter }

// put queues d.
func (ep *endpoint) put(d *delivery) {
	if d.attempts == 0 {
		ep.fresh.put(d)
	} else {
		ep.retry.put(d)
	}
}

// pull takes d out of its queue.
func (ep *endpoint) pull(d *delivery) {
	if ep.open == d {
		ep.open = nil
	}
	if d.attempts == 0 {
		ep.fresh.remove(d)
	} else {
		ep.retry.remove(d)
	}
}

// shut ends the batch that still takes events in.
func (ep *endpoint) shut(now time.Time) {
	if d := ep.open; d != nil {
		ep.open = nil
		d.due = now
		ep.fresh.fix(d)
	}
}

// next returns the delivery to send next and when, or nil while no more may be
// in flight or none is there.
//
// A failing endpoint sees one attempt at a time. What never failed is tried as
// usual, since the failures may be those of a few deliveries; of the others one
// is tried each time the endpoint's own back-off ends.
func (ep *endpoint) next(inFlight int) (d *delivery, at time.Time) {
	if ep.failing() {
		inFlight = 1
	}
	if ep.inFlight >= inFlight {
		return nil, at
	}
	if d = ep.retry.first(); d != nil {
		at = d.due
		if ep.failing() && ep.notBefore.After(at) {
			at = ep.notBefore
		}
	}
	if f := ep.fresh.first(); f != nil && (d == nil || f.due.Before(at)) {
		d, at = f, f.due
	}
	return d, at
}

// succeed notes that the endpoint took a delivery.
func (ep *endpoint) succeed() { ep.failures = 0 }

// fail notes that an attempt that began at started failed. Attempts that were
// under way together fail together, which is one failure.
func (ep *endpoint) fail(started, now time.Time, backOff func(failures int) time.Duration) {
	if started.Before(ep.failedAt) {
		return
	}
	ep.failedAt = now
	ep.failures++
	if ep.failing() {
		ep.notBefore = now.Add(backOff(ep.failures - failingAfter + 1))
	}
}

// expired takes the deliveries out that were queued before then.
func (ep *endpoint) expired(then time.Time) []*delivery {
	var old []*delivery
	for _, q := range []*queue{&ep.fresh, &ep.retry} {
		for _, d := range *q {
			if d.queued.Before(then) {
				old = append(old, d)
			}
		}
	}
	for _, d := range old {
		ep.pull(d)
	}
	return old
}
