package torture

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"sync"
)

// sessionCases: tickets resume sessions, and nothing else. Rows L6, L10.
func sessionCases() (all []Case) {
	for _, v := range tlsVersions {
		all = append(all,
			runDrill("L6/resumed-"+versionName(v), "RFC 8446, 2.2; RFC 5077, 3.1", "a client that comes back twice with the ticket it was given, TLS "+versionName(v), "both times the session is resumed, and a message echoed",
				func(b *Bench) error { return comesBack(b, v, false) }),
			runDrill("L6/ticket-changed-"+versionName(v), "RFC 8446, 4.2.11; RFC 5077, 3.4", "a client that comes back twice with a ticket in which a bit was changed, TLS "+versionName(v), "a full handshake, and a message echoed",
				func(b *Bench) error { return comesBack(b, v, true) }))
	}
	return append(all,
		runDrill("L10/tickets", "RFC 8446, 4.2.10", "a client that looks at its tickets", "none that invites to send early data, which anybody could send again",
			noEarlyData),
		runDrill("L10/uninvited", "RFC 8446, 4.2.10", "a ClientHello with early data that nobody asked for", "an alert, or the server's answer to the ClientHello, and a client after it is served",
			uninvited))
}

// comesBack connects three times with one memory of sessions.
func comesBack(b *Bench, version uint16, spoil bool) error {
	memory := new(session)
	cfg := b.o.version(version)
	cfg.ClientSessionCache = memory
	for i := range 3 {
		c, err := b.dialTLS(cfg, nil)
		if err != nil {
			return &mismatch{err.Error(), "a handshake"}
		}
		if err := b.upgrade(c, ""); err != nil {
			return err
		}
		if got, want := c.conn.(secured).ConnectionState().DidResume, i > 0 && !spoil; got != want {
			return &mismatch{fmt.Sprintf("connection %d: resumed: %v", i+1, got), fmt.Sprint(want)}
		}
		if err := b.finish(c, ending{how: alive}); err != nil { // which reads the ticket
			return err
		}
		if spoil {
			if err := memory.spoil(); err != nil {
				return err
			}
		}
	}
	return nil
}

// session is what a client remembers of one server: the last session.
type session struct {
	mu   sync.Mutex // the reader of a connection puts
	last *tls.ClientSessionState
}

func (s *session) Get(string) (*tls.ClientSessionState, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, s.last != nil
}

func (s *session) Put(_ string, state *tls.ClientSessionState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = state
}

// spoil changes a bit of the ticket.
func (s *session) spoil() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		return &mismatch{"no ticket", "one"}
	}
	ticket, state, err := s.last.ResumptionState()
	if err != nil {
		return err
	}
	ticket = bytes.Clone(ticket)
	ticket[len(ticket)/2] ^= 1
	s.last, err = tls.NewResumptionState(ticket, state)
	return err
}

func noEarlyData(b *Bench) error {
	c, r, err := b.openForged(tls.VersionTLS13)
	if err != nil {
		return err
	}
	if err := b.finish(c, ending{how: alive}); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.tickets {
		if invites(t) {
			return &mismatch{fmt.Sprintf("a ticket that invites to send early data: [% x]", t), "none"}
		}
	}
	return nil
}

// invites reports whether a NewSessionTicket message has the extension
// early_data. RFC 8446, 4.6.1. One that cannot be read counts as well.
func invites(ticket []byte) bool {
	b := ticket[4:]
	skip := func(size, before int) bool { // a field of a length that is sent in size bytes, behind others
		if len(b) < before+size {
			return false
		}
		n := 0
		for _, x := range b[before : before+size] {
			n = n<<8 + int(x)
		}
		if len(b) < before+size+n {
			return false
		}
		b = b[before+size+n:]
		return true
	}
	if !skip(1, 8) || !skip(2, 0) || len(b) < 2 { // lifetime, age and nonce; the ticket
		return true
	}
	for b = b[2:]; len(b) > 0; {
		if len(b) < 4 || binary.BigEndian.Uint16(b) == earlyData || !skip(2, 2) {
			return true
		}
	}
	return false
}

// uninvited sends early data without a ticket: it must be refused, or passed over.
func uninvited(b *Bench) error {
	if err := b.served(); err != nil {
		return err
	}
	hello := withExtensions(helloOf(b.o.version(tls.VersionTLS13)), func(all []byte) []byte { return append(all, helloExtension(earlyData, nil)...) })
	c, err := b.greet()
	if err != nil {
		return err
	}
	c.write(append(hello, record(typeData, noise(500))...))
	if e := c.next(b.o.Timeout); e.Kind != Alert && (e.Kind != TLSRecord || e.Code != typeHandshake) {
		return &mismatch{e.String(), "an alert, or a ServerHello"}
	}
	c.close()
	return b.served()
}
