// Package torture tests a WebSocket server from outside: it sends what RFC 6455
// allows and what it forbids over TCP or TLS, in one piece, byte by byte and cut
// in two everywhere, and judges every byte that comes back. Over TLS a write is
// a record, and what crypto/tls would never send is made by hand (records).
//
// The server must echo text and binary messages. Nothing else is asked of it,
// so that the same cases judge any server; limits that a server is free to
// choose (message size, fragments, header size, deadlines) are Options. Or it
// speaks the Pusher Channels protocol (Options.Push): that is another dialect, with
// cases of its own, and the same looks at the server behind them.
//
// A Case is data: what is sent, what must come back, how the connection ends.
// What no script can say (a half-close, a slow reader, a reset) is a drill, a
// function.
//
// A server that refuses everything does not look correct: a script that expects
// a frame to be refused first has a good message echoed. Where there is no such
// message, because the handshake is to be refused or a drill's client does
// something else, it is the honest connection of row U1 that must be served all
// the while; and without a handshake and an answer to begin with there is no run.
//
// Ids begin with the row of the threat table that the case guards: F frames,
// H opening handshake, C compression, T connections, L TLS, R resources, B
// broadcast, A calls over HTTP, M time, S the server's end (see Stop), U what must
// hold all the time.
//
// After every round of cases the server is looked at: what must hold whatever
// clients do (U1 to U8: an honest connection, the process, its descriptors,
// goroutines and heap, its log, its counters, the price of it all). When it
// does not hold, the round's cases are played again one by one to find the one
// that breaks it; what breaks whoever is played is given up after a while.
//
// The package knows no server (but the names of roost's metrics) and imports none of this repository's.
package torture
