package torture

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// defects are the mistakes that servers make, and the cases that must notice
// each of them. The model has all other rules right while it has one wrong.
var defects = []struct{ defect, id string }{
	// What a server sends: row F35, noticed whatever is tested.
	{"masks", "^F29/text-5$"},
	{"wide-reply", "^F29/text-5$"},
	{"rsv-reply", "^F26/ping-5$"},
	{"half-frame", "^F19/close$"},
	{"two-closes", "^F7/40-text$"},
	{"pong-after-close", "^F7/40-text$"},
	{"no-close", "^F7/40-text$"},
	{"no-fin", "^F7/40-text$"},

	// Frames.
	{"any-msb", "^F1/text-8000000000000000$"},
	{"any-length", "^F5/text-5-in-16-bits$"},
	{"any-length", "^F5/binary-65535-in-64-bits$"},
	{"no-mask", "^F6/text$"},
	{"no-mask", "^F6/second-fragment$"},
	{"any-rsv", "^F7/10-ping$"},
	{"any-opcode", "^F8/3-empty$"},
	{"fragmented-control", "^F9/ping-fragment$"},
	{"long-control", "^F10/ping-126$"},
	{"any-order", "^F11/order-TTC$"},
	{"any-order", "^F11/lone-continuation-fin$"},
	{"pong-late", "^F12/mixed$"},
	{"any-fragments", "^F13/fragments-limit-and-1$"},
	{"any-fragments", "^F14/fragments-limit-and-1$"},
	{"limit-off-by-one", "^F33/text-limit-and-1$"},
	{"limit-off-by-one", "^F2/binary-100001$"},
	{"truncates", "^F29/binary-65536$"},
	{"mask-restarts", "^F31/random-0$"},
	{"no-pong", "^F26/pings-10$"},
	{"mix-up", "^F28/pings-interleaved$"},

	// Closing.
	{"any-code", "^F17/bad-1005$"},
	{"any-code", "^F17/sweep-0-5119$"},
	{"any-reason", "^F18/bad-vector$"},
	{"wrong-code", "^F24/vector$"},
	{"ignores-close", "^F19/text-after$"},
	{"hard-close", "^F20/linger-utf8$"},
	{"no-linger", "^F20/linger-utf8$"},
	{"eternal-linger", "^F22/silent-utf8$"},

	// UTF-8.
	{"no-utf8", "^F24/vector$"},
	{"late-utf8", "^F23/late-byte$"},
	{"utf8-per-fragment", "^F24/valid-greek-fragments$"},

	// The opening handshake.
	{"patient", "^H1/byte-in-100ms$"},
	{"patient", "^H2/silent$"},
	{"substring", "^H7/connection-longer$"},
	{"any-key", "^H8/key-15-bytes$"},
	{"wrong-accept", "^H8/key-example$"},
	{"duplicates", "^H8/key-twice$"},
	{"bare-lf", "^H12/bare-lf$"},
	{"any-octet", "^H12/nul$"},
	{"bodies", "^H13/coding-chunked$"},
	{"parses-after-refusal", "^H14/refused-and-upgrade$"},
	{"lose-early", "^H15/text$"},
	{"reflects", "^H6/version-\"8\"$"},

	// permessage-deflate.
	{"any-rsv1", "^C8/ping$"},
	{"any-rsv1", "^C8/continuation$"},
	{"any-rsv1", "^C8/pong-between$"},
	{"arms-others", "^C8/others$"},
	{"any-rsv", "^C9/not-offered$"},
	{"any-offer", "^C9/declined-unknown$"},
	{"any-deflate", "^C4/block-type-3$"},
	{"any-deflate", "^C4/distance-first$"},
	{"any-deflate", "^C4/cut-everywhere$"},
	{"any-deflate", "^C4/bit-flips$"},
	{"any-deflate", "^C4/random$"},
	{"dirty-pool", "^C4/random$"},
	{"wrong-code", "^C4/bit-flips$"},
	{"ends-at-final", "^C6/garbage$"},
	{"no-inflated-limit", "^C1/bomb$"},
	{"no-inflated-limit", "^C1/bomb-16m$"},
	{"inflated-off-by-one", "^C1/limit-and-1$"},
	{"dies-later", "^C1/bombs-at-once$"},
	{"no-inflated-limit", "^C2/bomb-fragments$"},
	{"limit-per-connection", "^C2/limit-is-per-message$"},
	{"limit-of-both", "^C3/limit$"},
	{"no-inflated-limit", "^C3/limit-and-1$"},
	{"wrong-size-code", "^C3/limit-grown$"},
	{"no-empty", "^C7/no-payload$"},
	{"no-empty", "^C7/no-payload-fragments$"},
	{"no-inflated-utf8", "^C4/utf8$"},
	{"any-offer", "^C10/bad-\"unknown\"$"},
	{"any-window", "^C10/good-\"server_max_window_bits=10\"$"},
	{"first-offer", "^C10/bad-then-good-\"unknown\"$"},
	{"keeps-tail", "^C11/hello-text$"},
	{"forgets", "^C11/second-hello-0$"},
	{"remembers", "^C11/resembling-4$"},
	{"hands-window-on", "^C11/window-of-others$"},
	{"mixes-messages", "^C13/crowd$"},
	{"few-blocks", "^C16/(stored|fixed|dynamic)-blocks$"},
	{"few-blocks", "^C16/stored-blocks-fragments$"},

	// The stream.
	{"drops-before-fin", "^T2/message$"},
}

// Every check can fail: a model with a known defect is caught by the case that
// is there for it.
func TestDefectsAreFound(t *testing.T) {
	var all sync.WaitGroup
	slots := make(chan struct{}, 8)
	for _, d := range defects {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			m := startModel(t, d.defect, Options{
				MaxMessage: 1 << 20, MaxFragments: 1000, HandshakeTimeout: 2500 * time.Millisecond, CloseTimeout: time.Second,
				Deflate: strings.HasPrefix(d.id, "^C"),
			})
			mustNotice(t, m, d.defect, d.id, time.Second)
		})
	}
	all.Wait()
}

// mustNotice plays the cases of an id against a model with a defect, and wants one to fail.
func mustNotice(t *testing.T, m *model, defect, id string, timeout time.Duration) {
	if complaint := notices(t, m, defect, id, timeout); complaint != "" {
		t.Error(complaint)
	}
}

// notices is mustNotice for somebody who tries again: it says what is wrong, if anything is.
func notices(t *testing.T, m *model, defect, id string, timeout time.Duration) (complaint string) {
	o := m.o
	o.Run, o.Timeout = regexp.MustCompile(id), timeout
	s, err := begun(t, o)
	switch {
	case err != nil:
		return fmt.Sprintf("%s: %v", defect, err)
	case s.Runs < 4: // the invariants are three
		return fmt.Sprintf("%s: no case %s", defect, id)
	}
	return unnoticed(defect, o.Run, s)
}

// begun is Run with a short timeout, which is for what a server with a defect never
// says. Where the machine stood still for as long before the first case, it begins
// again with a long one.
func begun(t *testing.T, o Options) (*Summary, error) {
	s, err := Run(t.Context(), o, nil)
	if err != nil {
		o.Timeout = 20 * time.Second
		return Run(t.Context(), o, nil)
	}
	return s, nil
}

// planted is a server with a defect: what is played against it, and which id must fail.
type planted struct{ defect, id, played, url string }

// sideBySide is the timeout of a server without a defect, while others are judged.
const sideBySide = 20 * time.Second

// areFound plays each case against its server, eight at a time, and all of them against
// a good one, for which the options are.
func areFound(t *testing.T, all []planted, o Options, good string) {
	slots := make(chan struct{}, 8)
	var plays sync.WaitGroup
	play := func(o Options, url, run string, judge func(s *Summary)) {
		slots <- struct{}{}
		plays.Go(func() {
			defer func() { <-slots }()
			o.URL, o.Run = url, regexp.MustCompile(run)
			s, err := begun(t, o)
			if err != nil {
				t.Errorf("%s: %v", run, err)
				return
			}
			judge(s)
		})
	}
	var played []string
	for _, d := range all {
		played = append(played, d.played)
		with := o
		with.Timeout, with.Delay = time.Second, stall
		play(with, d.url, d.played, func(s *Summary) { noticed(t, d.defect, regexp.MustCompile(d.id), s) })
	}
	o.Timeout = sideBySide
	play(o, good, strings.Join(played, "|"), func(s *Summary) {
		for _, r := range s.Failed {
			t.Errorf("without a defect: %v", r)
		}
	})
	plays.Wait()
}

func noticed(t *testing.T, defect string, id *regexp.Regexp, s *Summary) {
	if complaint := unnoticed(defect, id, s); complaint != "" {
		t.Error(complaint)
	}
}

func unnoticed(defect string, id *regexp.Regexp, s *Summary) (complaint string) {
	for _, r := range s.Failed {
		if id.MatchString(r.ID) {
			if r.Got == "" || r.Dump == "" {
				return fmt.Sprintf("%s: %s failed without saying how: %v", defect, r.ID, r)
			}
			return ""
		}
	}
	return fmt.Sprintf("%s: %v did not notice it; these failed: %v", defect, id, s.Failed)
}
