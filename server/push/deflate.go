package push

import "github.com/roost-ws/roost/server"

// plain reports whether messages about a channel are sent as they are when the
// server compresses others. The length of a compressed message tells how much
// of it repeats, and so could tell what else is in it to somebody who chooses a part
// and sees the lengths. What takes an authorisation to hear is therefore not compressed
// unless the app says so; what is encrypted would hardly become shorter.
func (config *App) plain(channel string) bool {
	kind := kindOf(channel)
	return kind.encrypted || (kind.private || kind.user) && !config.DeflatePrivate
}

// prepare encodes a frame for many connections.
func prepare(frame []byte, plain bool) *server.Prepared {
	if plain {
		return server.PrepareUncompressed(server.Text, frame)
	}
	return server.Prepare(server.Text, frame)
}

// send sends a frame about a channel to this connection alone. It fails only
// when the connection is being closed.
func (s *session) send(channel string, frame []byte) {
	if s.app.config.Load().plain(channel) {
		_ = s.conn.SendUncompressed(server.Text, frame)
		return
	}
	_ = s.conn.Send(server.Text, frame)
}
