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
//   - What a channel is besides (who is present, how many there are, which event
//     was the last) is guarded by the same stripe. Whoever joins starts from a view of that,
//     and gets exactly the messages that are handed out later: the view's own are
//     kept from it while they are still on their way.
//   - Who is signed in to an app, and who watches whom, has one lock per app. What
//     changes is told through the same inboxes: to each watcher the newest, once.
//   - An event enters the inbox of every loop concerned while its channel's
//     stripe is locked. That is what makes all subscribers of a channel see its
//     events in one order, and it is all a publisher waits for.
//
// History (histories, ring) hangs on the same stripe. An event gets its position
// there before it enters the inboxes, and whoever joins is told of the past
// (joined.past) under the same lock: what is in it does not come again, and what is not
// comes through the roster. To resume is therefore one call, join with a catchUp, and to
// send past.events before anything else; message.kept is the position of what comes live.
//
// A stream (stream, streamRequest) is a connection that only listens. It is
// admitted to all of its channels before it begins, subscribes like any other, and gets the same
// messages in a form of its own (message.encoding).
//
// What happens is told to a Notifier, in order and without locks; webhooks are
// made of that elsewhere.
//
// The package does not know files, other nodes or the terminal, and of HTTP no
// more than how a stream is asked for.
package push
