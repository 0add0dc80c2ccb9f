// Package webhook tells customers' own servers what happens on their channels:
// POST requests with signed JSON, as the Pusher protocol describes them.
//
// A Sender is the whole of it. It takes notices from a push.Hub (it is a
// push.Notifier) and never makes the hub wait. What a notice goes through:
//
//   - The inbox takes it, without blocking. The one goroutine of the Sender
//     does the rest, under one lock that is not held for anything that waits.
//   - The hold-back: "vacated" and "removed" wait for HoldBack, and when the
//     channel is occupied or the member back before it ends, nobody hears of
//     either. That hides people who reload a page.
//   - Every endpoint of the app that wants the event gets a delivery of its
//     own. An endpoint that asked for batches gets deliveries that go on
//     taking events in until they are full, or old enough, and begin to be sent.
//   - An attempt sends a delivery. Any 2xx ends it. Anything else is tried
//     again, later each time, up to RetryMax between two attempts. What fails
//     for too long becomes a dead letter, which can be listed and requeued.
//
// An endpoint that fails several times in a row is treated as failing: it gets
// one attempt at a time, and of the deliveries that failed before one per
// back-off, however many wait. So a receiver that comes back is not trampled.
//
// Delivery is at least once: a receiver may see an event again, when its answer
// was lost or the server was killed before it wrote the answer down. Deliveries
// to one endpoint overlap and overtake one another; time_ms sorts them.
//
// With a Path, deliveries and dead letters survive restarts and crashes: what a
// crash loses is the milliseconds before the last commit, and what was held
// back then. (Close keeps that as well.) Channels that existed when a server
// was killed are never reported vacated, since nobody was there to see it.
//
// The package does not know HTTP's server side, connections or loops.
package webhook
