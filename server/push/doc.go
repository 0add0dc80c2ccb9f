// Package push speaks the Pusher Channels protocol on top of package server:
// applications, connections that subscribe to channels, and events that reach
// every subscriber of a channel.
//
// A Hub is the whole of it. Give its Handler to a server (NewServer does), and
// hand it events with Publish; package api does that for calls over HTTP.
//
// Who touches what:
//
//   - A connection belongs to one loop of the server. Its session, and the list
//     of the channel's subscribers on that loop (a roster), are touched by that
//     loop's goroutine only, so delivering an event takes no lock.
//   - The directory of an app says which channels exist and on which loops they
//     have subscribers. It is locked in stripes, for as long as a map lookup.
//   - An event enters the inbox of every loop concerned while its channel's
//     stripe is locked. That is what makes all subscribers of a channel see its
//     events in one order, and it is all a publisher waits for.
//
// The package does not know HTTP, files, other nodes or the terminal.
package push
