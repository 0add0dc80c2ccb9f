package push

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push/internal/rawjson"
)

const (
	// streamPing is how often a stream is sent a comment, unless the activity timeout
	// is shorter. Many proxies cut what is silent for half a minute or a whole one.
	streamPing = 25 * time.Second
	// A client comes back after a time from streamRetry on when its stream ends. It
	// is drawn for each, so that those that were cut together do not come together.
	streamRetry       = time.Second
	streamRetrySpread = 3 * time.Second
)

// appendServerSent appends frame as a server-sent event. A frame has no line's
// end in it: JSON within strings writes those as \n, and around them there is none.
func appendServerSent(b, id, frame []byte) []byte {
	if len(id) > 0 {
		b = append(append(append(b, "id: "...), id...), '\n')
	}
	b = append(b, "data: "...)
	b = append(b, frame...)
	return append(b, "\n\n"...)
}

// openStream starts the session of a stream that onStream has admitted.
func (h *Hub) openStream(c *server.Conn) {
	req := c.Value().(*streamRequest)
	s := &session{app: req.app, conn: c}
	c.SetValue(s)
	s.tally().opened.Add(1)
	s.app.show(WatchConnected, func() Happening { return Happening{SocketID: h.socketID(c).String()} })
	sh := h.shards[c.Loop()]
	if user := req.user(); user != nil {
		if !h.vouched.take(user.most(), &h.vouched.users) {
			refuse(c, &refusal{codeOverCapacity, overVouched})
			return
		}
		s.rarely().user = user
		s.app.signIn(s, sh, user.id, nil)
	}
	if len(req.channels) > 1 {
		s.rarely().places = newPlaces(req.from)
	}
	retry := streamRetry + rand.N(streamRetrySpread)
	sh.buf = strconv.AppendInt(append(sh.buf[:0], "retry: "...), retry.Milliseconds(), 10)
	_ = c.Send(server.Text, append(sh.buf, "\n\n"...))
	for i := range req.channels {
		if no := s.follow(sh, req, i); no != nil {
			refuse(c, no)
			return
		}
	}
	if no := s.app.serving(); no != nil {
		refuse(c, no) // endStreams may have come too early for it
	}
}

// follow subscribes a stream to the ith of its channels, and sends what it
// starts from; or says why not, and the stream is of no use then.
func (s *session) follow(sh *shard, req *streamRequest, i int) *refusal {
	name, from := req.channels[i], req.from[i]
	ask := catchUp{ids: true, resume: from != "", from: parsePosition(from)}
	j, no := s.join(sh, name, nil, ask)
	if no != nil {
		return &refusal{codeOverCapacity, no.message}
	}
	past := &j.past
	if p := s.places(); p != nil {
		p.of[i] = place{channel: j.roster.channel}
	}
	if ask.resume {
		if past.id != (position{}) {
			s.app.history.settled(past.recovered)
		}
		if !past.recovered {
			s.serverSent(sh, nil, appendResumption(nil, "gap", name, `{"since":`+string(Quote(from).Raw())+`}`))
		}
	}
	switch {
	case !kindOf(name).cache || past.recovered:
	case j.cached != nil && past.has(j.cached):
	case j.cached != nil:
		s.serverSent(sh, nil, j.cached.frame)
	default:
		s.serverSent(sh, nil, appendCacheMiss(nil, name))
	}
	for _, k := range past.events {
		s.serverSent(sh, s.at(sh, j.roster.channel, k.position), k.frame)
	}
	if past.recovered {
		s.serverSent(sh, nil, appendResumption(nil, "recovered", name, `{"count":`+strconv.Itoa(len(past.events))+`}`))
	}
	if past.id == (position{}) {
		return nil
	}
	// From here on the client knows where it is, even if nothing ever comes.
	id := s.at(sh, j.roster.channel, past.id)
	sh.buf = append(append(append(sh.buf[:0], "id: "...), id...), "\n\n"...)
	_ = s.conn.Send(server.Text, sh.buf)
	return nil
}

// serverSent sends a stream one event, which has an id if it changes where the
// stream is.
func (s *session) serverSent(sh *shard, id, frame []byte) {
	sh.buf = appendServerSent(sh.buf[:0], id, frame)
	_ = s.conn.Send(server.Text, sh.buf)
	if cap(sh.buf) > keepBytes {
		sh.buf = nil
	}
}

// appendResumption appends what became of a stream that wanted to go on where it
// was. Pages with pusher-js and the plugin learn the same by these names.
func appendResumption(b []byte, what, channel, data string) []byte {
	b = append(append(append(b, `{"event":"roost:`...), what...), `","channel":`...)
	b = appendChannel(b, channel)
	b = append(b, `,"data":`...)
	b = rawjson.AppendQuote(b, data)
	return append(b, '}')
}

// places is where a stream of several channels is in each of them. Its ids say
// all of that, because clients hand back the last one only.
type places struct{ of []place }

// place is where a stream is in one channel.
type place struct {
	channel *channel // nil until it is joined
	id      position // zero when it has none
}

// newPlaces are those that the client of a stream handed back.
func newPlaces(from []string) *places {
	p := &places{make([]place, len(from))}
	for i, id := range from {
		p.of[i].id = parsePosition(id)
	}
	return p
}

// places is nil but for streams of several channels.
func (s *session) places() *places {
	if s.rare == nil {
		return nil
	}
	return s.rare.places
}

// at is the id of where s is once it has got what is at a position of a channel.
// It is valid until the next call on the loop.
func (s *session) at(sh *shard, ch *channel, now position) []byte {
	sh.inner = sh.inner[:0]
	p := s.places()
	if p == nil {
		sh.inner = now.append(sh.inner)
		return sh.inner
	}
	for i := range p.of {
		one := &p.of[i]
		if one.channel == ch {
			one.id = now
		}
		if i > 0 {
			sh.inner = append(sh.inner, ',')
		}
		if one.id != (position{}) {
			sh.inner = one.id.append(sh.inner)
		}
	}
	return sh.inner
}

// passes sends a stream of several channels the id of an event of which it gets
// the rest like all others. Only both together are an event, so whatever is sent
// to a stream is sent by its loop.
func (s *session) passes(sh *shard, ch *channel, now position) {
	id := s.at(sh, ch, now)
	sh.buf = append(append(append(sh.buf[:0], "id: "...), id...), '\n')
	_ = s.conn.Send(server.Text, sh.buf)
}

// form is how s gets the messages of a channel of which it asks that.
func (s *session) form(ask catchUp) form {
	switch {
	case s.conn.Streaming() && s.places() != nil:
		return formBare
	case s.conn.Streaming():
		return formStream
	case ask.ids:
		return formID
	}
	return formStock
}

// endStreams ends the streams of an app that is not served any more. Others learn
// it when they next say something, which streams never do.
func (h *Hub) endStreams(a *app) {
	why := a.serving()
	if why == nil || h.server == nil {
		return
	}
	var all []*roster
	for i := range a.directory.stripes {
		s := &a.directory.stripes[i]
		s.mu.Lock()
		for ch := range s.channels.all() {
			for r := ch.rosters; r != nil; r = r.next {
				all = append(all, r)
			}
		}
		s.mu.Unlock()
		for _, r := range all { // posting is a system call, and others want the lock
			_ = h.shards[r.loop].post(int(r.loop), func() { r.endStreams(why) }) // or the loop is gone, and they with it
		}
		clear(all)
		all = all[:0]
	}
}

// endStreams is called on r's loop.
func (r *roster) endStreams(why *refusal) {
	for _, sub := range slices.Clone(r.subs) { // whoever ends leaves
		if sub.conn.Streaming() {
			refuse(sub.conn, why)
		}
	}
}
