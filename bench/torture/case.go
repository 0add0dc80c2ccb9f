package torture

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Case is one thing a server must do.
type Case struct {
	ID   string `json:"id"`   // row and name: "F5/text-5-in-16-bits"
	RFC  string `json:"rfc"`  // the sections that ask for it
	Name string `json:"name"` // what the client does
	Want string `json:"want"` // what a correct server does

	modes Mode
	heavy bool // megabytes: few of them at once
	slow  bool // waits for a deadline of the server: started first, beside the others
	alone bool // heavy, or it measures: runs after the others, by itself
	pid   bool // cannot be judged without the process id
	plain bool // is about TCP's own bytes, which TLS hides
	admin bool // cannot be judged without the address for operators

	swells swell // what a server may make of what it sends

	// One of these.
	talk  *talk
	build func() *talk // makes a talk that is too big to be kept
	knock *knock
	drill func(b *Bench) error
}

// talk is a script of an open connection.
type talk struct {
	exchanges []exchange
	end       ending
	tail      bool   // in one write, a good message follows the last exchange
	apart     bool   // in one write, without the control message before it
	offer     string // of extensions, which must be accepted
}

// exchange is what is sent in one go and what must come back for it.
type exchange struct {
	parts []part
	send  Wire          // the parts, once the case is played
	chop  int           // send in writes of so many bytes
	quiet time.Duration // nothing may come for so long after it
	want  []expect
}

// knock is an opening handshake, with whatever follows it in the same segments.
type knock struct {
	key    string   // of the request, for the accept value
	send   Wire     // the request, and early frames
	accept bool     // 101 is an answer
	status []int    // refusals that are an answer too; none means that it must be accepted
	drop   bool     // closing without a word is an answer
	needs  []string // header fields of the refusal: "Sec-WebSocket-Version: 13"
	again  bool     // the refusal may leave the connection open
	head   bool     // the method is HEAD

	protocols  []string // offered
	extensions string   // offered
	extended   bool     // one of them must be accepted
	want       []expect // for early frames
	end        ending
}

// size is about how many bytes are sent.
func (x *exchange) size() (n int) {
	for _, p := range x.parts {
		n += p.size()
	}
	return n
}

// echoes reports whether a message is to come back.
func (x *exchange) echoes() bool {
	return slices.ContainsFunc(x.want, func(w expect) bool { return w.kind == Text || w.kind == Binary })
}

// ending is how a connection goes on after its script.
type ending struct {
	how   how
	codes []uint16
}

type how uint8

const (
	alive     how = iota // it still echoes; then the client closes it, properly
	failed               // the server fails it: one Close with one of the codes, then FIN
	closed               // the client has sent Close: one Close with one of the codes, then FIN
	dismissed            // the server has enough of the client, which has broken no rule of RFC 6455: Close, the client's in answer, then FIN
)

func (e ending) String() string {
	switch e.how {
	case alive:
		return "the connection goes on"
	case closed:
		return wantClose(e.codes...).String() + " in answer, then FIN"
	case dismissed:
		return wantClose(e.codes...).String() + ", and FIN behind the client's; nothing of or after the bad message"
	}
	return wantClose(e.codes...).String() + ", then FIN, and nothing of or after the bad bytes"
}

// keeps is a case after which the connection goes on.
func keeps(id, rfc, name string, send []part, want ...expect) Case {
	return script(id, rfc, name, ending{how: alive}, exchange{parts: send, want: want})
}

// rejects is a case that the server must fail the connection for. In one write
// a good message follows the bad bytes, which must not be answered any more.
func rejects(id, rfc, name string, code uint16, send ...part) Case {
	c := rejectsAtOnce(id, rfc, name, code, send...)
	c.talk.tail = true
	return c
}

// rejectsAtOnce is one whose last byte must be enough: nothing follows it.
func rejectsAtOnce(id, rfc, name string, code uint16, send ...part) Case {
	return script(id, rfc, name, ending{failed, []uint16{code}}, exchange{parts: send})
}

// closes is a case that ends with the client's Close.
func closes(id, rfc, name string, codes []uint16, send []part, want ...expect) Case {
	return script(id, rfc, name, ending{closed, codes}, exchange{parts: send, want: want})
}

func script(id, rfc, name string, end ending, exchanges ...exchange) Case {
	c := Case{ID: id, RFC: rfc, Name: name, talk: &talk{exchanges: exchanges, end: end}, modes: everyMode}
	var size int
	for _, x := range exchanges {
		size += x.size()
		if x.quiet > 0 {
			c.modes &^= Splits // a pause for every offset would take minutes
		}
	}
	if size > wholeFrom {
		c.modes = Whole
	}
	c.Want = c.talk.String()
	return c
}

// sent is the talk with its bytes made, for one play.
func (t *talk) sent() *talk {
	made := *t
	made.exchanges = slices.Clone(t.exchanges)
	for i := range made.exchanges {
		made.exchanges[i].send = wireOf(made.exchanges[i].parts...)
	}
	return &made
}

// wholeFrom is the size from which a case is no longer cut: those that are this
// big are about size.
const wholeFrom = 80 << 10

// String is what must come back, in words.
func (t *talk) String() string {
	var want []string
	for _, x := range t.exchanges {
		want = appendWants(want, x.want)
		if x.quiet > 0 {
			want = append(want, fmt.Sprintf("nothing for %v", x.quiet))
		}
	}
	return strings.Join(append(want, t.end.String()), "; ")
}

// appendWants describes the first of the events.
func appendWants(s []string, events []expect) []string {
	for i, w := range events {
		if i == 3 && len(events) > 4 {
			return append(s, fmt.Sprintf("... (%d events)", len(events)))
		}
		s = append(s, w.String())
	}
	return s
}

// withEcho adds what must come back before the bad frame.
func (c Case) withEcho(want ...expect) Case {
	x := &c.talk.exchanges[0]
	x.want = append(x.want, want...)
	c.Want = c.talk.String()
	return c
}

// only restricts the modes of a case.
func (c Case) only(m Mode) Case {
	c.modes = m
	return c
}

// chopped makes a case send in small writes.
func (c Case) chopped(size int) Case {
	for i := range c.talk.exchanges {
		c.talk.exchanges[i].chop = size
	}
	c.modes = Whole
	return c
}

// lazily is a case of so many frames that they are made when it is played.
func lazily(build func() Case) Case {
	c := build()
	c.heavy = true
	c.talk, c.build = nil, func() *talk { return build().talk }
	return c
}

// runDrill is a case that is a function.
func runDrill(id, rfc, name, want string, f func(b *Bench) error) Case {
	return Case{ID: id, RFC: rfc, Name: name, Want: want, drill: f, modes: Whole}
}
