// Package soak serves a mixed crowd for a long time and asks whether anything
// grows.
//
// The crowd has honest clients that stay, clients that come and go, clients
// that send without reading or read nothing, and rude ones that break every
// rule in turn. Its size is constant and its behaviour does not change with
// time, so that the server's memory, goroutines, descriptors and latencies must
// not either: a line is fitted to each, and one that rises for certain, and by
// more than a tolerance, fails the run. So does a single byte that an honest
// client did not expect.
package soak
