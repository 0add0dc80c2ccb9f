package torture

import (
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// defectsTLS are mistakes that servers make with TLS, and the cases that must
// notice each of them. Those of byHand are ones that crypto/tls cannot make.
var defectsTLS = []struct {
	defect, id string
	byHand     bool
}{
	{"patient-tls", "^L1/silent$", false},
	{"patient-tls", "^L1/after-the-flight$", false},
	{"patient-tls", "^L1/record-dripping$", false},
	{"patient-tls", "^L1/flight-dripping-1.3$", false},
	{"whole-records", "^L1/bytewise-1.2$", false},
	{"serial-handshakes", "^L2/burst$", false},
	{"serial-handshakes", "^L2/abandoned$", false},
	{"whole-hello", "^L3/hello-in-records-of-7$", false},
	{"no-alert", "^L3/hello-64k$", false},
	{"no-alert", "^L3/record-16385$", false},
	{"no-alert", "^L3/only-1.1$", false},
	{"no-alert", "^L3/http$", false},
	{"any-size", "^L3/sealed-16385-1.3$", true},
	{"keeps-keys", "^L4/key-updates-5$", true},
	{"keeps-keys", "^L4/key-updates-unread$", true},
	{"eats-updates", "^L4/flood$", true},
	{"renegotiates", "^L5/hello-1.2$", true},
	{"renegotiates", "^L5/hello-1.3$", true},
	{"no-tickets", "^L6/resumed-1.2$", false},
	{"no-tickets", "^L6/resumed-1.3$", false},
	{"any-ticket", "^L6/ticket-changed-1.3$", false},
	{"keeps-half", "^L7/fin-in-frame-1.3$", true},
	{"drops-before-fin", "^L7/fin-behind-message-1.3$", false},
	{"reads-behind-notify", "^L7/notify-in-frame-1.3$", true},
	{"reads-behind-notify", "^L7/data-behind-notify-1.2$", true},
	{"no-notify", "^L7/server-notifies-1.3$", false},
	{"no-notify", "^F19/close$", false},
	{"ignores-alerts", "^L7/alert-1.2$", true},
	{"loses-bytes", "^L8/bursts-1.3$", false},
	{"loses-bytes", "^L8/unread$", false},
	{"patient-tls", "^L1/half-a-hello$", false},
	{"one-record", "^L9/records-of-1-byte-1.2$", true},
	{"one-record", "^L9/many-records-1.3$", true},
	{"empty-is-end", "^L9/empty-records-1.3$", true},
	{"small-records", "^L9/full-records-1.2$", true},
	{"small-records", "^L9/padded$", true},
	{"tires", "^L9/cut-everywhere-1.3$", true},
	{"tires", "^L9/empty-flood-1.3$", true},
	{"skips-bad", "^L9/flipped-1.3$", true},
	{"skips-bad", "^L9/again-1.2$", true},
	{"skips-bad", "^L9/not-sealed-1.3$", true},
	{"any-type", "^L9/unknown-type-1.3$", true},
	{"invites-early-data", "^L10/tickets$", true},
	{"no-alert", "^L10/uninvited$", false},
	{"own-names-only", "^L11/name-unknown$", false},
	{"no-alert", "^L11/alpn-h2$", false},
}

// Every check of TLS can fail.
func TestDefectsOfTLSAreFound(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	slots := make(chan struct{}, 8)
	for _, d := range defectsTLS {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			m := startModelOver(t, d.defect, Options{
				MaxMessage: 1 << 20, HandshakeTimeout: 10 * time.Second, CloseTimeout: time.Second, TLSTimeout: 2500 * time.Millisecond,
			}, newModelTLS(t, d.byHand))
			mustNotice(t, m, d.defect, d.id, 2*time.Second)
		})
	}
	all.Wait()
}

// A server passes all cases of TLS, and so do records made by hand.
func TestModelPassesOverTLS(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]string{"crypto/tls": "^L|^F(6|7|19|20|29)/|^H15|^T2", "by hand": "^L([3457]/[a-z-]*|[89]/.*)-1.[23]$|^L4"} {
		t.Run(name, func(t *testing.T) {
			m := startModelOver(t, "", Options{MaxMessage: 1 << 20, MaxFragments: 2000, HandshakeTimeout: 3 * time.Second, CloseTimeout: 2 * time.Second, TLSTimeout: 3 * time.Second},
				newModelTLS(t, name == "by hand"))
			mustPass(t, m, regexp.MustCompile(run))
		})
	}
}

// RFC 8446, 4.6.1: which tickets invite to send early data.
func TestInvites(t *testing.T) {
	ticket := func(extensions string) []byte {
		body := "lifeage \x01n\x00\x02id" + string([]byte{byte(len(extensions) >> 8), byte(len(extensions))}) + extensions
		return message(newSessionTicket, []byte(body))
	}
	invitation := string(helloExtension(earlyData, []byte{0, 0, 64, 0}))
	for in, want := range map[string]bool{
		"": false, string(helloExtension(10, []byte("x"))): false, invitation: true, string(helloExtension(10, []byte("x"))) + invitation: true, "\x00": true,
	} {
		if got := invites(ticket(in)); got != want {
			t.Errorf("% x: %v", in, got)
		}
	}
	if whole := ticket(""); !invites(whole[:len(whole)-3]) || !invites(whole[:6]) {
		t.Error("half a ticket passes for one")
	}
}

// Hidden cases are told, and only where they were asked for.
func TestHidden(t *testing.T) {
	m := startModelOver(t, "", Options{}, newModelTLS(t, false))
	for run, want := range map[string]string{"^T23/|^F29/text-5$": "T23/urgent", "^F29/text-5$": ""} {
		o := m.o
		o.Run, o.Delay = regexp.MustCompile(run), stall
		s, err := Run(t.Context(), o, nil)
		if err != nil || strings.Join(s.Hidden, " ") != want || !s.OK() {
			t.Errorf("%s: %v hidden, %v, %v", run, s.Hidden, s.Failed, err)
		}
	}
}
