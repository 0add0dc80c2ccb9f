package torture

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// The prefixes of channels whose receivers are no trouble, or all of it.
const (
	honestHook    = "presence-honest-"
	deadHook      = "dead-"
	elsewhereHook = "elsewhere-"
	forbiddenHook = "forbidden-"
)

// forbiddenHosts are not to be reached: the machine by all of its names, private
// networks, and what clouds tell their machines. At those that are this machine's
// somebody would notice; of the others the server's counter tells.
var forbiddenHosts = []string{
	"127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]", "127.255.255.254",
	"10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254", "[fe80::1]", "[fd00::1]",
}

// hookTrouble is a receiver that does not answer as it should.
type hookTrouble struct {
	name, does string
	taken      bool // its answer says that it has the event, however it ends
	prompt     bool // it is the answer that fails, and not the wait for it
	answer     func(h *Hooks, c *net.TCPConn, n int)
	leads      func(h *Hooks) []*receiver // to whom it would lead who followed
}

func hookTroubles() []hookTrouble {
	says := func(status string, more ...string) func(*Hooks, *net.TCPConn, int) {
		return func(_ *Hooks, c *net.TCPConn, _ int) { hookSays(status, more...)(c, 0) }
	}
	return []hookTrouble{
		{name: "silent-", does: "never answers", answer: func(_ *Hooks, c *net.TCPConn, _ int) { hookSilence(c) }},
		{name: "slow-", does: "answers a byte at a time, and is not done in time", answer: func(_ *Hooks, c *net.TCPConn, _ int) {
			hookPours(c, "HTTP/1.1 200 OK\r\nX: ", "y", 20*time.Millisecond)
		}},
		{name: "reset-", does: "resets the connection", prompt: true, answer: func(_ *Hooks, c *net.TCPConn, _ int) { c.SetLinger(0) }},
		{name: "gone-", does: "ends without an answer", prompt: true, answer: func(*Hooks, *net.TCPConn, int) {}},
		{name: "nonsense-", does: "answers with what is not HTTP", prompt: true, answer: func(_ *Hooks, c *net.TCPConn, _ int) { io.WriteString(c, "SSH-2.0-x\r\n\x00\xff\r\n\r\n") }},
		{name: "500-", does: "answers 500", prompt: true, answer: says("500 Internal Server Error")},
		{name: "redirect-", does: "answers with a redirection to somebody else", prompt: true, answer: func(h *Hooks, c *net.TCPConn, n int) {
			status := []string{"302 Found", "307 Temporary Redirect", "308 Permanent Redirect"}[n%3]
			hookSays(status, "Location: http://"+h.receivers[elsewhereHook].addr()+"/hook")(c, n)
		}, leads: func(h *Hooks) []*receiver { return []*receiver{h.receivers[elsewhereHook]} }},
		{name: "homeward-", does: "answers with a redirection to an address that is not allowed", prompt: true, answer: func(h *Hooks, c *net.TCPConn, n int) {
			hookSays("307 Temporary Redirect", "Location: http://"+h.trap[0].addr()+"/hook")(c, n)
		}, leads: func(h *Hooks) []*receiver { return h.trap }},
		{name: "switches-", does: "answers 101, and then nothing", answer: func(_ *Hooks, c *net.TCPConn, _ int) {
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			hookSilence(c)
		}},
		{name: "head-", does: "answers with a head that has no end", answer: func(_ *Hooks, c *net.TCPConn, _ int) {
			hookPours(c, "HTTP/1.1 200 OK\r\n", strings.Repeat("X: y\r\n", 1000), 0)
		}},
		{name: "hints-", does: "answers 103 without an end", answer: func(_ *Hooks, c *net.TCPConn, _ int) {
			hookPours(c, "", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 200), 0)
		}},
		{name: "endless-", does: "answers 200 with a body that has no end", taken: true, answer: func(_ *Hooks, c *net.TCPConn, _ int) {
			hookPours(c, "HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("x", 64<<10), 0)
		}},
		{name: "bomb-", does: "answers 200 with a body that is said to be packed, and has no end", taken: true, answer: func(_ *Hooks, c *net.TCPConn, _ int) {
			hookPours(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", "10000\r\n"+strings.Repeat("\x1f\x8b\x08\x00", 16<<10)+"\r\n", 0)
		}},
		{name: "promise-", does: "answers 200, and promises a terabyte that does not come", taken: true, answer: func(_ *Hooks, c *net.TCPConn, _ int) {
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nx", 1<<40)
			hookSilence(c)
		}},
	}
}

// hookSays is an answer without a body.
func hookSays(status string, more ...string) func(c *net.TCPConn, n int) {
	head := strings.Join(append([]string{"HTTP/1.1 " + status, "Content-Length: 0", "Connection: close"}, more...), "\r\n") + "\r\n\r\n"
	return func(c *net.TCPConn, _ int) { io.WriteString(c, head) }
}

// hookSilence lasts until the server has enough of it.
func hookSilence(c *net.TCPConn) { io.Copy(io.Discard, c) }

// hookPours says something, and more of it until the server has enough of it.
func hookPours(c *net.TCPConn, first, more string, every time.Duration) {
	_, err := io.WriteString(c, first)
	for err == nil {
		_, err = io.WriteString(c, more)
		time.Sleep(every)
	}
}

// hookCases: what becomes of webhooks whose receivers are slow, broken, hostile, or
// where none may be. Row A13.
func hookCases(p *pusher) (all []Case) {
	if p.Hooks == nil {
		return nil
	}
	for _, t := range hookTroubles() {
		want := fmt.Sprintf("%d attempts of the same bytes, each cut in time, later each time; then none", p.Hooks.Attempts)
		if t.taken {
			want = "one attempt, whose answer is not read to its end"
		}
		all = append(all, runDrill("A13/"+strings.TrimSuffix(t.name, "-"), "-", "a webhook whose receiver "+t.does, want, t.play))
	}
	forbidden := runDrill("A13/forbidden", "-", "webhooks to "+strings.Join(forbiddenHosts, ", "), "nobody is connected to, and every attempt is counted as refused", forbiddenHooks)
	dead := runDrill("A13/dead", "-", "many events at once for a receiver that does not answer, and then does",
		"few attempts at a time; what has no room is dropped and counted, and the rest arrives", deadHooks).byItself()
	forbidden.admin, dead.admin = true, true
	return append(all, runDrill("A13/signed", "-", "a user who comes, says something, and goes", "signed events with the fields that the protocol gives them", signedHooks), forbidden, dead)
}

// play has one event sent to a receiver, and judges all requests that come of it.
func (t hookTrouble) play(b *Bench) error {
	h, r := b.push().Hooks, b.push().Hooks.receivers[t.name]
	channel := b.channel(strings.TrimSuffix(t.name, "-"))
	c, err := b.open()
	if err != nil {
		return err
	}
	if err := b.joins(c, channel); err != nil {
		return err
	}
	most := h.Attempts
	if t.taken {
		most = 1
	}
	for n := range most {
		if !within(b.o.Timeout, func() bool { return len(r.about(channel)) > n }) {
			return &mismatch{fmt.Sprintf("%d attempts", n), fmt.Sprint(most)}
		}
		one := r.about(channel)[n]
		select {
		case <-one.over:
		case <-time.After(h.AttemptTimeout + b.o.Timeout/2):
			return &mismatch{fmt.Sprintf("an attempt that goes on for %v", time.Since(one.at)), fmt.Sprintf("its end after %v", h.AttemptTimeout)}
		}
	}
	time.Sleep(2 * h.RetryMax)
	// On a machine that stands still an answer may come too late, and be asked for again.
	tries := r.about(channel)
	if len(tries) > most && (!t.taken || len(tries) >= h.Attempts) {
		return &mismatch{fmt.Sprintf("%d attempts", len(tries)), fmt.Sprint(most)}
	}
	return t.judge(b.push(), tries)
}

// judge looks at all attempts of one delivery, and whether they have led further.
func (t hookTrouble) judge(p *pusher, tries []*hook) error {
	for n, one := range tries {
		if err := one.wrong(p.App); err != nil {
			return err
		}
		if one.body != tries[0].body {
			return &mismatch{"another attempt says " + brief([]byte(one.body)), brief([]byte(tries[0].body))}
		}
		if n == 0 || !t.prompt {
			continue
		}
		// A half of the pause is at random, so that what failed together does not return together.
		pause := min(p.Hooks.RetryMin<<(n-1), p.Hooks.RetryMax) / 2
		if got := one.at.Sub(tries[n-1].answered); got < pause {
			return &mismatch{fmt.Sprintf("attempt %d after %v", n+1, got), fmt.Sprintf("a pause of at least %v", pause)}
		}
	}
	if t.leads == nil {
		return nil
	}
	return unvisited(t.leads(p.Hooks)...)
}

// unvisited wants nobody to have come where no webhook was sent, or may be.
func unvisited(receivers ...*receiver) error {
	for _, r := range receivers {
		if came, _ := r.connections(); came > 0 {
			return &mismatch{fmt.Sprintf("%d connections to %s", came, r.addr()), "none"}
		}
	}
	return nil
}

func forbiddenHooks(b *Bench) error {
	const refused = "roost_webhook_refused_total"
	h, a := b.push().Hooks, newAdmin(b.o.Admin)
	before, err := a.figures(context.Background(), false)
	if err != nil {
		return err
	}
	c, err := b.open()
	if err != nil {
		return err
	}
	if err := b.joins(c, b.channel(strings.TrimSuffix(forbiddenHook, "-"))); err != nil {
		return err
	}
	want, got := float64(h.Attempts*len(h.forbidden)), 0.0
	within(b.o.Timeout, func() bool {
		now, err := a.figures(context.Background(), false)
		got = now[refused] - before[refused]
		return err == nil && got >= want
	})
	if err := unvisited(h.trap...); err != nil {
		return err
	}
	if got != want {
		return &mismatch{fmt.Sprintf("%s grew by %.0f", refused, got), fmt.Sprintf("%.0f, of %d addresses", want, len(h.forbidden))}
	}
	return nil
}

// deadHooks: events are lost only where it is said, and the receiver that is back
// gets those that there was room for.
func deadHooks(b *Bench) error {
	const conns, each, events = 4, 150, 4 * 150
	h, a := b.push().Hooks, newAdmin(b.o.Admin)
	r := h.receivers[deadHook]
	r.dead.Store(true)
	before, err := a.figures(context.Background(), false)
	if err != nil {
		return err
	}
	grown := func(names ...string) (total int) {
		now, err := a.figures(context.Background(), false)
		if err != nil {
			return 0
		}
		for _, name := range names {
			total += int(now["roost_webhook_"+name] - before["roost_webhook_"+name])
		}
		return total
	}
	for range conns {
		c, err := b.open()
		if err != nil {
			return err
		}
		var all []part
		var answers []expect
		for range each {
			channel := b.channel(strings.TrimSuffix(deadHook, "-"))
			all, answers = append(all, text(subscribing(channel))), append(answers, wantSaid(succeeded(channel)))
		}
		c.write(wireOf(all...).Bytes)
		if err := b.expect(c, answers...); err != nil {
			return err
		}
	}
	if !within(b.o.Timeout, func() bool { return grown("events_overflowed_total") > 0 }) {
		return &mismatch{fmt.Sprintf("%d events dropped of %d for a receiver that is dead", grown("events_overflowed_total"), events), fmt.Sprintf("all but %d", h.Waiting)}
	}
	time.Sleep(h.AttemptTimeout * 3 / 2)
	if waits := grown("deliveries_pending"); waits > h.Waiting {
		return &mismatch{fmt.Sprintf("%d deliveries wait", waits), fmt.Sprintf("at most %d", h.Waiting)}
	}
	r.dead.Store(false)
	const all = "events_overflowed_total dead_letters_total events_delivered_total"
	if !within(b.o.Timeout, func() bool { return grown(strings.Fields(all)...) >= events && grown("deliveries_pending") <= 0 }) {
		return &mismatch{fmt.Sprintf("%d events accounted for", grown(strings.Fields(all)...)), fmt.Sprint(events)}
	}
	if _, most := r.connections(); most > h.InFlight+1 { // one that ends, and the next
		return &mismatch{fmt.Sprintf("%d attempts at a time", most), fmt.Sprintf("at most %d", h.InFlight)}
	}
	return nil
}

// signedHooks: an official backend could read all of it.
func signedHooks(b *Bench) error {
	p := b.push()
	r := p.Hooks.receivers[honestHook]
	channel := b.channel(strings.TrimSuffix(honestHook, "-"))
	c, err := b.open()
	if err != nil {
		return err
	}
	const user, word = "u-<&>\"", "<&>\u2028 \"\\ ü"
	if err := b.joins(c, channel, `{"user_id":`+quoteJSON(user)+`}`); err != nil {
		return err
	}
	c.write(wireOf(text(`{"event":"client-word","channel":` + quoteJSON(channel) + `,"data":` + quoteJSON(word) + `}`)).Bytes)
	if err := b.says(c, b.control("said")); err != nil {
		return err
	}
	if err := b.finish(c, ending{how: alive}); err != nil {
		return err
	}
	due := map[string]map[string]string{
		"channel_occupied": {}, "channel_vacated": {}, "member_added": {"user_id": user}, "member_removed": {"user_id": user},
		"client_event": {"event": "client-word", "data": word, "socket_id": c.socket, "user_id": user},
	}
	names := map[string]bool{}
	var bad error
	within(b.o.Timeout, func() bool {
		for _, one := range r.about(channel) {
			if bad = one.wrong(p.App); bad != nil {
				return true
			}
			if bad = one.tells(channel, due, names); bad != nil {
				return true
			}
		}
		return len(names) == len(due)
	})
	if bad == nil && len(names) < len(due) {
		bad = &mismatch{fmt.Sprintf("webhooks of %v", names), "one of each kind"}
	}
	return bad
}

// tells wants events of one channel, of known kinds, with all fields of these and
// no others, and notes their names.
func (h *hook) tells(channel string, due map[string]map[string]string, names map[string]bool) error {
	var said struct {
		Time   int64               `json:"time_ms"`
		Events []map[string]string `json:"events"`
	}
	if err := json.Unmarshal([]byte(h.body), &said); err != nil || said.Time <= 0 || len(said.Events) == 0 {
		return &mismatch{brief([]byte(h.body)), `{"time_ms":...,"events":[...]} with texts`}
	}
	for _, e := range said.Events {
		fields, known := due[e["name"]]
		if !known || e["channel"] != channel || len(e) != 2+len(fields) {
			return &mismatch{fmt.Sprintf("the event %v", e), fmt.Sprintf("one of %s, with %v", channel, fields)}
		}
		for name, value := range fields {
			if e[name] != value {
				return &mismatch{fmt.Sprintf("%s: %s %q", e["name"], name, e[name]), fmt.Sprintf("%q", value)}
			}
		}
		names[e["name"]] = true
	}
	return nil
}

// within waits until something is so, for so long.
func within(d time.Duration, so func() bool) bool {
	for end := time.Now().Add(d); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}
