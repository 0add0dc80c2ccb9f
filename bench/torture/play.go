package torture

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// mismatch says what a server did for what it should have done.
type mismatch struct{ got, want string }

func (m *mismatch) Error() string { return "got " + m.got + ", want " + m.want }

// Bench is what one case is played on: it opens connections and keeps them, so
// that their transcripts can be shown.
type Bench struct {
	o       *Options
	process *process // nil without Options.Pid
	clients []*Client
}

// probe is a header value that no response may repeat.
const probe = "reflect-7f3a91"

// finWithin is how long a server may take from its last frame to its FIN: it
// does not wait for the client, which may never close.
func (o *Options) finWithin() time.Duration {
	if o.CloseTimeout > 0 {
		return min(2*time.Second, o.CloseTimeout/2)
	}
	return 2 * time.Second
}

// dial opens a connection, on which nothing of HTTP was said yet.
func (b *Bench) dial() (*Client, error) {
	return b.keep(dial(b.o))
}

// keep has a connection closed in the end, and its transcript shown.
func (b *Bench) keep(c *Client, err error) (*Client, error) {
	if err != nil {
		return nil, fmt.Errorf("no connection: %w", err)
	}
	b.clients = append(b.clients, c)
	return c, nil
}

// open opens a connection and does the opening handshake.
func (b *Bench) open() (*Client, error) { return b.openWith("") }

// openWith is open with an offer of extensions, of which one must be accepted.
func (b *Bench) openWith(offer string) (*Client, error) {
	c, err := b.dial()
	if err != nil {
		return nil, err
	}
	return c, b.upgrade(c, offer)
}

// upgrade does the opening handshake.
func (b *Bench) upgrade(c *Client, offer string) error {
	c.listen(false)
	request := b.o.request()
	if offer != "" {
		request = request.with("Sec-WebSocket-Extensions: " + offer)
	}
	c.write(request.bytes())
	e := c.next(b.o.Timeout)
	if e.Kind != Response {
		return &mismatch{e.String(), "response 101"}
	}
	if wrong := judge101(e, exampleKey, nil, offer); wrong != "" {
		return &mismatch{wrong, "a correct response 101"}
	}
	if offer != "" && len(e.Header["Sec-Websocket-Extensions"]) == 0 {
		return &mismatch{"no extension for " + offer, deflateName}
	}
	return b.o.dialect.greet(b, c)
}

// hangUp closes all connections; their transcripts remain.
func (b *Bench) hangUp() {
	for _, c := range b.clients {
		c.close()
	}
}

// forget closes all connections, which were as they should be.
func (b *Bench) forget() {
	b.hangUp()
	b.clients = b.clients[:0]
}

// expect takes the next events and compares.
func (b *Bench) expect(c *Client, want ...expect) error {
	for i, x := range want {
		e := c.next(b.o.Timeout)
		if !x.meets(e) {
			place := ""
			if len(want) > 1 {
				place = fmt.Sprintf(" (event %d of %d)", i+1, len(want))
			}
			return &mismatch{e.String() + x.differ(e) + place, x.String()}
		}
	}
	return nil
}

// finish plays the ending.
func (b *Bench) finish(c *Client, end ending) error {
	if end.how == alive {
		if err := b.says(c, b.control("still here")); err != nil {
			return err
		}
		c.write(wireOf(closing(1000, "")).Bytes)
		end.codes = []uint16{1000}
	}
	if err := b.expect(c, wantClose(end.codes...)); err != nil {
		return err
	}
	if end.how == dismissed {
		c.write(wireOf(closing(end.codes[0], "")).Bytes)
	}
	return b.fin(c)
}

// says has the server answer a word on an open connection.
func (b *Bench) says(c *Client, word string) error {
	say, answer := b.o.dialect.word(word)
	c.write(wireOf(say...).Bytes)
	return b.expect(c, answer)
}

// fin wants the end of the stream and nothing before it.
func (b *Bench) fin(c *Client) error {
	if e := c.next(b.o.finWithin()); !e.proper() {
		return &mismatch{e.String() + " after the Close frame", "FIN within " + b.o.finWithin().String()}
	}
	return nil
}

// play runs a case in one mode.
func (b *Bench) play(c *Case, m Mode) error {
	defer b.hangUp()
	switch {
	case c.build != nil:
		return b.playTalk(c.ID, c.build().sent(), m)
	case c.talk != nil:
		return b.playTalk(c.ID, c.talk.sent(), m)
	case c.knock != nil:
		return b.playKnock(c.knock, m)
	}
	return c.drill(b)
}

func (b *Bench) playTalk(id string, t *talk, m Mode) error {
	control := b.control(id)
	say, answer := b.o.dialect.word(control)
	hello := wireOf(say...).Bytes
	switch m {
	case Whole:
		return b.talk(t, answer, func(client *Client, i int, x exchange) {
			send := x.send.Bytes
			if i == 0 && t.apart {
				client.write(hello)
				time.Sleep(10 * b.o.Gap)
			} else if i == 0 {
				send = slices.Concat(hello, send)
			}
			if t.tail && i == len(t.exchanges)-1 {
				after, _ := b.o.dialect.word("after")
				send = slices.Concat(send, wireOf(after...).Bytes)
			}
			if x.chop > 0 {
				client.chop(send, x.chop)
			} else {
				client.write(send)
			}
		})
	case Bytes:
		return b.talk(t, answer, func(client *Client, i int, x exchange) {
			if i == 0 {
				client.write(hello)
			}
			client.trickle(x.send.pieces())
		})
	}
	return b.splitTalk(t, id)
}

// control is a message that no other connection sends: what comes back shows
// that nobody's bytes are mixed up (U4).
func (b *Bench) control(id string) string {
	return fmt.Sprintf("control %s %d", id, b.o.tally.controls.Add(1))
}

// talk opens a connection and plays the script on it; send sends one exchange,
// the first with the control message before it, which is answered so.
func (b *Bench) talk(t *talk, answer expect, send func(client *Client, i int, x exchange)) error {
	client, err := b.openWith(t.offer)
	if err != nil {
		return err
	}
	for i, x := range t.exchanges {
		send(client, i, x)
		if i == 0 {
			if err := b.expect(client, answer); err != nil {
				return err
			}
		}
		if err := b.expect(client, x.want...); err != nil {
			return err
		}
		if x.quiet > 0 {
			if e := client.next(x.quiet); e.Kind != Silence {
				return &mismatch{e.String(), "nothing yet"}
			}
		}
	}
	return b.finish(client, t.end)
}

// splitTalk plays the script once for every offset: on one connection while the
// case leaves it open, on a new one each time otherwise.
func (b *Bench) splitTalk(t *talk, id string) error {
	tries := splitsMax / len(t.exchanges)
	for _, x := range t.exchanges {
		tries = min(tries, max(8, splitsMax*splitsMax/(1+len(x.want)))) // a thousand answers need not come a hundred times
	}
	var client *Client
	for i := range t.exchanges {
		for _, at := range t.exchanges[i].send.offsets(tries) {
			if client == nil || t.end.how != alive {
				b.forget()
				var err error
				if client, err = b.openWith(t.offer); err != nil {
					return err
				}
				if err := b.says(client, b.control(id)); err != nil {
					return err
				}
			}
			if err := b.splitOnce(client, t, i, at); err != nil {
				return fmt.Errorf("cut at offset %d of exchange %d: %w", at, i+1, err)
			}
		}
	}
	if client == nil || t.end.how != alive {
		return nil
	}
	return b.finish(client, t.end)
}

func (b *Bench) splitOnce(c *Client, t *talk, cut, at int) error {
	for i, x := range t.exchanges {
		if i == cut {
			c.split(x.send.Bytes, at)
		} else {
			c.write(x.send.Bytes)
		}
		if err := b.expect(c, x.want...); err != nil {
			return err
		}
	}
	if t.end.how == alive {
		return nil
	}
	return b.finish(c, t.end)
}

func (b *Bench) playKnock(k *knock, m Mode) error {
	switch m {
	case Whole:
		return b.knock(k, func(c *Client) { c.write(k.send.Bytes) })
	case Bytes:
		return b.knock(k, func(c *Client) { c.trickle(k.send.pieces()) })
	}
	for _, at := range k.send.offsets(splitsMax) {
		b.forget()
		if err := b.knock(k, func(c *Client) { c.split(k.send.Bytes, at) }); err != nil {
			return fmt.Errorf("cut at offset %d: %w", at, err)
		}
	}
	return nil
}

// knock plays one opening handshake.
func (b *Bench) knock(k *knock, send func(c *Client)) error {
	c, err := b.dial()
	if err != nil {
		return err
	}
	c.listen(k.head)
	send(c)
	patience := b.o.Timeout
	if !k.accept && b.o.HandshakeTimeout > 0 {
		patience = min(patience, b.o.HandshakeTimeout/2) // what is wrong is refused before the deadline would end it
	}
	e := c.next(patience)
	switch {
	case e.Kind == Response && e.Status == http.StatusSwitchingProtocols && k.accept:
		if wrong := judge101(e, k.key, k.protocols, k.extensions); wrong != "" {
			return &mismatch{wrong, k.String()}
		}
		if k.extended && len(e.Header["Sec-Websocket-Extensions"]) == 0 {
			return &mismatch{"no extension for " + k.extensions, "one of them"}
		}
		if k.end.how == alive || k.end.how == closed {
			if err := b.o.dialect.greet(b, c); err != nil {
				return err
			}
		}
		if err := b.expect(c, k.want...); err != nil {
			return err
		}
		return b.finish(c, k.end)
	case e.Kind == Response && slices.Contains(k.status, e.Status):
		return b.refused(c, k, e)
	case k.drop && (e.Kind == EOF || e.Kind == Reset):
		return nil
	}
	return &mismatch{e.String(), k.String()}
}

// refused judges a refusal: its fields, and that it is the last word.
func (b *Bench) refused(c *Client, k *knock, e Event) error {
	for _, field := range k.needs {
		name, value, _ := strings.Cut(field, ": ")
		if got := e.Header.Get(name); !lists(got, value) {
			return &mismatch{fmt.Sprintf("%v with %s: %q", e, name, got), field}
		}
	}
	if strings.Contains(string(e.Payload), probe) || strings.Contains(fmt.Sprint(e.Header), probe) {
		return &mismatch{e.String() + " that repeats bytes of the request", "none of them"}
	}
	if k.again {
		return nil
	}
	if got := e.Header.Get("Connection"); !lists(got, "close") {
		return &mismatch{fmt.Sprintf("%v with Connection: %q", e, got), "Connection: close"}
	}
	if e := c.next(b.o.finWithin()); !e.proper() {
		return &mismatch{e.String() + " after the response", "FIN within " + b.o.finWithin().String()}
	}
	return nil
}

// lists reports whether a comma-separated list has a token.
func lists(list, token string) bool {
	return slices.ContainsFunc(strings.Split(list, ","), func(s string) bool {
		return strings.EqualFold(strings.Trim(s, " \t"), token)
	})
}

// String is what the handshake may end in, in words.
func (k *knock) String() string {
	var ways []string
	if k.accept {
		ways = append(ways, "response 101")
		if k.extended {
			ways[0] += " with an extension"
		}
	}
	for _, s := range k.status {
		ways = append(ways, fmt.Sprintf("response %d", s))
	}
	if k.drop {
		ways = append(ways, "FIN")
	}
	s := strings.Join(ways, " or ")
	if len(k.needs) > 0 {
		s += " with " + strings.Join(k.needs, ", ")
	}
	if len(k.want) > 0 {
		s += "; " + strings.Join(appendWants(nil, k.want), "; ")
	}
	if k.accept && k.end.how != alive {
		s += "; " + k.end.String()
	}
	return s
}
