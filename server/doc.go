// Package server is a WebSocket server (RFC 6455) for very many connections.
//
// No goroutine is held per client: sockets stand registered with a poller, and
// those that become readable are served by loops and a bounded pool of
// workers. A connection on which nothing happens costs one small struct.
//
// A Handler holds the application's callbacks. For one connection they run one
// at a time: OnOpen, then OnMessage for each message in the order of the wire,
// then OnClose exactly once and last. They may block; then a worker is
// occupied, not a loop. An application that promises not to block sets
// Config.Inline and saves the difference.
//
// The package knows messages, not channels or applications; those are package
// push's. How bytes move is the engine's affair, and what they mean is wire's.
package server
