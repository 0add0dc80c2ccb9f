// Package ktls hands the records of a TLS 1.3 connection to the kernel once
// crypto/tls has done the handshake, so that the connection is a plain
// descriptor again: reading from it gives plaintext, and what is written
// leaves encrypted. (Linux, Documentation/networking/tls.rst.)
//
// crypto/tls does not give its keys away, but it writes the secrets they come
// from to Config.KeyLogWriter, and RFC 8446 7.1 and 7.3 tell how to get from
// one to the other. What is left to know is how many records each side has
// sent under its key: of the client's, the caller knows, who hands them to
// crypto/tls; of the server's, [Key.Opens] tells.
//
// The package knows system calls and key schedules. It must never know loops,
// connections or WebSocket.
package ktls
