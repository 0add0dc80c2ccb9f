package torture

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// plainRecords reads what a server answers to what should be the beginning of
// TLS: records of which no key is known, or a word in HTTP.
type plainRecords struct {
	b        []byte // of a record not yet whole
	http     *responses
	violated bool
}

func (p *plainRecords) feed(b []byte) (events []Event) {
	p.b = append(p.b, b...)
	if p.http == nil && bytes.HasPrefix(p.b, []byte("HTTP/")) {
		p.http = new(responses)
		b = p.b
	}
	if p.http != nil {
		events, _, _ = p.http.feed(b)
		for i, e := range events {
			if e.Kind == Response {
				events[i] = Event{Kind: Alert, Why: e.String()}
			}
		}
		return events
	}
	for !p.violated && len(p.b) >= 5 {
		kind, n := p.b[0], 5+int(binary.BigEndian.Uint16(p.b[3:]))
		if kind < typeChangeCipherSpec || kind > typeData || p.b[1] != 3 || n > 5+sealedMax {
			p.violated = true
			return append(events, Event{Kind: Violation, Why: fmt.Sprintf("not a TLS record: [% x]", p.b[:5])})
		}
		if len(p.b) < n {
			break
		}
		e := Event{Kind: TLSRecord, Code: uint16(kind), Payload: bytes.Clone(p.b[5:n])}
		if kind == typeAlert && n == 7 {
			e = Event{Kind: Alert, Code: uint16(p.b[6])}
		}
		events = append(events, e)
		p.b = p.b[n:]
	}
	return events
}

func (p *plainRecords) end() (e Event, bad bool) {
	switch {
	case p.http != nil:
		return p.http.end()
	case p.violated || len(p.b) == 0:
		return Event{}, false
	}
	return Event{Kind: Violation, Why: fmt.Sprintf("the stream ends inside a record: [% x]", p.b[:min(len(p.b), 14)])}, true
}

// greet opens a TCP connection to a server that waits for a ClientHello.
func (b *Bench) greet() (*Client, error) {
	c, err := b.keep(connect(b.o))
	if err != nil {
		return nil, err
	}
	c.records = new(plainRecords)
	c.listen(false)
	return c, nil
}
