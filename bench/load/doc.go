// Package load is the client side of the benchmark: it opens WebSocket
// connections, keeps messages in flight on them and checks every byte that
// comes back.
//
// It shares nothing with the servers it measures but package poller: framing
// and checking are its own, so that a mistake in roost's framing cannot hide
// behind the same mistake here. One goroutine serves all connections of a
// Session. A Session normally runs in a process of its own (Serve), which
// takes orders as lines of JSON (Worker is the other end).
//
// Latency in a closed loop is counted from just before the write that carries
// a message to just after the read that completes its reply. In an open loop it
// is counted from the moment the schedule says the message is due, whether or
// not the client or the server was ready then: a stalled server is charged
// with every message it kept waiting.
package load
