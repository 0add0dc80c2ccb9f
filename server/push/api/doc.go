// Package api is the HTTP API through which customers' own backends publish:
// signed calls below /apps/, as the official server SDKs make them.
//
// It is a plain http.Handler. What a call may cost is bounded here in bytes; how
// long one may take, and how many may be under way, is the business of the server in
// front: server.Timeouts.HTTPRead is the absolute deadline for a body that
// trickles in, server.Limits.HTTPConns the number of connections; with
// net/http's own Server set ReadTimeout and WriteTimeout.
//
// Calls are answered in an order that costs strangers little: path, app and
// signature come first, and a signature covers the digest of the body, so no
// body is read of a caller who does not know the secret.
//
// Signed calls can be replayed until their timestamp is too old. Customers who
// mind use TLS, which is also what keeps their data from being read.
package api
