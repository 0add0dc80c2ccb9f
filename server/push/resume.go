package push

import (
	"fmt"
	"strconv"

	"github.com/roost-ws/roost/server/push/internal/rawjson"
)

// maxFormer is how many connections a client may name that it had before.
const maxFormer = 8

// parseResume reads what pusher:subscribe says of a channel's history. That is
//
//	"epoch:serial"  the id of the last event that was received: what came later is wanted
//	true, ""        none was received yet; events are to carry their ids from now on
//	{"id": one of the above, "socket_ids": [...]}
//
// where the last one names the connections that the client had before, so that it does
// not get now what was not for it then. Without the field, or with null or false, nothing
// is asked.
func parseResume(v JSON) (ask catchUp, err error) {
	id := v
	if v.Kind() == rawjson.Object {
		var fields [2]JSON
		if err := v.Pick(fields[:], "id", "socket_ids"); err != nil {
			return ask, fmt.Errorf("resume: %w", err)
		}
		id = fields[0]
		for former := range fields[1].Elements() {
			if len(ask.former) == maxFormer {
				return ask, fmt.Errorf("resume: socket_ids: at most %d", maxFormer)
			}
			socketID, _ := ParseSocketID(string(former.Bytes())) // or it is none of ours
			ask.former = append(ask.former, socketID)
		}
	}
	switch id.Kind() {
	case rawjson.String:
		ask.ids = true
		if text := string(id.Bytes()); text != "" {
			ask.resume, ask.from = true, parsePosition(text)
		}
	case rawjson.Bool:
		ask.ids = string(id.Raw()) == "true"
	case rawjson.Absent, rawjson.Null:
	default:
		return ask, fmt.Errorf("resume: expected a string or true, got %s", id.Kind())
	}
	return ask, nil
}

// appendResume appends what a subscriber is told who asked for history, as a
// field of subscription_succeeded.
func (p *past) appendResume(b []byte) []byte {
	b = append(b, `,"resume":{"id":"`...)
	b = p.id.append(b)
	b = append(b, `","recovered":`...)
	b = strconv.AppendBool(b, p.recovered)
	b = append(b, `,"count":`...)
	b = strconv.AppendInt(b, int64(len(p.events)), 10)
	return append(b, '}')
}

// fit makes the past small enough for room bytes. What was missed is told whole
// or not at all; of what is there for everybody who comes, the last of it is.
func (p *past) fit(room int) {
	first := len(p.events)
	for first > 0 && p.events[first-1].size() <= room {
		first--
		room -= p.events[first].size()
	}
	switch {
	case first == 0:
	case p.recovered:
		p.recovered, p.events = false, nil
	default:
		p.events = p.events[first:]
	}
}

// has reports whether the event of a cache channel is among those of the past.
func (p *past) has(c *cached) bool {
	for _, k := range p.events {
		if &k.frame[0] == &c.frame[0] { // encoded once for both
			return true
		}
	}
	return false
}

// replay sends s the past of a channel that it just joined.
func (s *session) replay(sh *shard, channel string, p *past) {
	for _, k := range p.events {
		if p.id == (position{}) {
			s.send(channel, k.frame)
			continue
		}
		sh.buf = k.append(sh.buf[:0])
		s.send(channel, sh.buf)
	}
	if cap(sh.buf) > keepBytes {
		sh.buf = nil
	}
}

// outboundBytes is how much may wait for one client. What it missed has to fit
// into that, beside what waits already.
const outboundBytes = 1 << 20

// expireHistory forgets what is over in all apps, and comes again as long as there is any.
func (h *Hub) expireHistory() {
	now, left := h.now(), false
	all := h.apps.Load()
	for _, a := range all.byID {
		left = a.history.expire(now) || left
	}
	for _, a := range all.gone {
		left = a.history.expire(now) || left
	}
	if left {
		h.alarm.ask()
	}
}
