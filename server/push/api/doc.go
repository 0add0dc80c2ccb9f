// Package api is the HTTP API through which customers' own backends publish:
// signed calls below /apps/, as the official server SDKs make them.
//
// It is a plain http.Handler. What a call may cost is bounded here: its body in
// bytes and in time, how many are under way, and how many an app makes in a second. How many
// connections there are is the business of the server in front:
// server.Limits.HTTPConns.
//
// A call with an Idempotency-Key header that is repeated is served once.
//
// Calls are answered in an order that costs strangers little: path, app and
// signature come first, and a signature covers the digest of the body, so no
// body is read of a caller who does not know the secret.
//
// Signed calls can be replayed until their timestamp is too old. Customers who
// mind use TLS, which is also what keeps their data from being read.
package api
