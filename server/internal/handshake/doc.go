// Package handshake is the server's half of the WebSocket opening handshake,
// as functions over bytes in memory.
//
// A caller collects what a client sends and asks a Scanner where the request
// head ends. Head.Parse takes that head apart, strictly; Upgrader.Check decides
// whether it asks for a WebSocket that this server gives, and Upgrader.Accept
// writes the 101. Whatever is wrong becomes a Refusal, which writes its own
// complete response. Bytes after the head are never looked at: they are the
// client's first frames.
//
// The package reads no socket, knows no clock, starts no goroutine, and keeps
// nothing of its input except in the Head its caller owns.
//
// The 101 is gobwas/ws's work, but its Upgrader is no validator: of a field that
// comes twice it takes the last, it reads a bare LF as the end of a line, trims
// the spaces before a colon, and knows the Upgrade field as one word and not as
// the list it is. So it never sees what a client wrote. It is given the same
// request in normal form (see normalForm): every line once, every byte checked.
// There is then nothing left on which the two could disagree, and the work does
// not grow with the client's cookies. Of its hooks two are used:
// ProtocolCustom answers with the server's own name for the subprotocol, Header
// writes the extensions and the application's fields.
//
// Where the RFCs leave a choice, this is what is done:
//
//   - An empty line before the request line is refused (RFC 9112, 2.2 would let
//     a server skip it; net/http, which serves the other requests, does not).
//   - A target in absolute-form is accepted, and its authority replaces the Host
//     field's (RFC 9112, 3.2.2); userinfo and schemes other than http, https, ws
//     and wss are refused. "*" belongs to OPTIONS; CONNECT is refused.
//   - A path with a bad percent-encoding, or with an encoded NUL, is refused;
//     queries are left as they are, for whoever takes them apart.
//   - A field of which there may be one is refused when it comes twice, even with
//     the same value.
//   - White space around a value is no part of it (RFC 9110, 5.5), so
//     "Sec-WebSocket-Version:  13 " is version 13; "013" and "13, 8" are not.
//   - A list of subprotocols or an Origin that does not parse selects nothing
//     and matches nothing. Expect is ignored on an upgrade.
package handshake
