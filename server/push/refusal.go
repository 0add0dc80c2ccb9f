package push

import (
	"strconv"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push/internal/rawjson"
)

// code is a status code of the protocol. It stands in a pusher:error event and,
// when the connection ends with it, in the Close frame too: clients that speak
// version 5 read only the first, later ones only the second. Clients do not come
// back after 4000 to 4099, come back later after 4100 to 4199, and at once after 4200
// to 4299.
type code int

const (
	codeNone               code = 0 // null in the event: the connection stays
	codeTLSOnly            code = 4000
	codeNoApp              code = 4001
	codeAppDisabled        code = 4003
	codeOverQuota          code = 4004
	codePathNotFound       code = 4005
	codeInvalidVersion     code = 4006
	codeUnsupportedVersion code = 4007
	codeNoVersion          code = 4008
	codeUnauthorised       code = 4009
	codeOverCapacity       code = 4100
	codePongNotReceived         = 4201 // only ever in a Close frame
	codeTooManyEvents      code = 4301 // the connection stays, as with 4302
	codeWatchlistLimit     code = 4302
)

// refusal is why a client does not get what it asked for. message is read by
// the person who wrote the client.
type refusal struct {
	code    code
	message string
}

// refuse ends a connection, on its loop's goroutine: see passes. Clients that speak
// version 5 read the event, newer ones the code.
func refuse(c *server.Conn, r *refusal) {
	event := appendErrorEvent(nil, *r)
	if c.Streaming() {
		event = appendServerSent(nil, nil, event)
	}
	_ = c.Send(server.Text, event)
	_ = c.Close(server.StatusCode(r.code), r.message)
}

// appendErrorEvent appends a pusher:error event. Unlike that of other events its
// data is an object and not a string that holds one.
func appendErrorEvent(b []byte, r refusal) []byte {
	b = append(b, `{"event":"pusher:error","data":{"code":`...)
	if r.code == codeNone {
		b = append(b, "null"...)
	} else {
		b = strconv.AppendInt(b, int64(r.code), 10)
	}
	b = append(b, `,"message":`...)
	b = rawjson.AppendQuote(b, r.message)
	return append(b, "}}"...)
}

// subscriptionRefusal is why one subscription failed. kind and status have the
// form of what pusher-js reports when a customer's own backend refuses.
type subscriptionRefusal struct {
	kind    string
	message string
	status  int
}

// appendSubscriptionError appends a pusher:subscription_error event. channel is
// the name as the client wrote it, quotes included.
func appendSubscriptionError(b []byte, channel JSON, r subscriptionRefusal) []byte {
	b = append(b, `{"event":"pusher:subscription_error","channel":`...)
	b = append(b, channel.Raw()...)
	b = append(b, `,"data":{"type":"`...)
	b = append(b, r.kind...)
	b = append(b, `","error":`...)
	b = rawjson.AppendQuote(b, r.message)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(r.status), 10)
	return append(b, "}}"...)
}
