// Package engine moves bytes between sockets and sessions.
//
// A connection has one owner at a time: the goroutine that set the first bit
// of its signal word (signal.go). Only the owner reads, writes and closes the
// descriptor and calls the Session; every other goroutine signals. An idle
// connection is one Conn, one slot and one registration with the poller: no
// goroutine, no buffer, no timer.
//
// A loop waits for readiness and serves what is ready. Sessions run application
// code, which may block; so the loop itself is run by a goroutine of the pool,
// and when that goroutine sticks in application code the loop moves to another
// one (lead.go). When much of the application's code is slow, the loop hands
// ready connections to workers instead (queue.go).
//
// The package does not know what the bytes mean, and makes no system call
// except through sys.Kernel.
package engine
