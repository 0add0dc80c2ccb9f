package torture

import (
	"fmt"
	"net/http"
	"strings"
)

// clientEventCases: what clients say to each other. Row B10.
func clientEventCases(p *pusher) (all []Case) {
	for _, c := range []struct{ name, channel, event, more string }{
		{"public", "news", "client-x", `,"data":"{}"`},
		{"encrypted", "private-encrypted-x", "client-x", `,"data":"{}"`},
		{"name-long", "private-x", "client-" + strings.Repeat("x", 194), `,"data":"{}"`},
		{"data-large", "private-x", "client-x", `,"data":"` + strings.Repeat("x", p.Data+1) + `"`},
		{"data-large-object", "private-x", "client-x", `,"data":{"x":"` + strings.Repeat("x", p.Data) + `"}`},
		{"name-not-clients", "private-x", "news", `,"data":"{}"`},
		{"name-reserved", "private-x", "pusher_internal:member_added", `,"data":"{\"user_id\":\"1\"}"`},
		{"name-in-capitals", "private-x", "CLIENT-x", `,"data":"{}"`},
	} {
		all = append(all, undelivered("B10/"+c.name, c.channel, c.event+" to a channel that the sender is subscribed to", true,
			func(channel string) string {
				return `{"event":` + quoteJSON(c.event) + `,"channel":` + quoteJSON(channel) + c.more + `}`
			}))
	}
	for _, channel := range []string{"private-x", "presence-x"} {
		all = append(all, undelivered("B10/stranger-"+channel[:7], channel, "an event to a channel that the sender is not subscribed to", false, whisper))
	}
	for _, kind := range []string{`null`, `7`, `["private-x"]`, `{}`, `""`} {
		all = append(all, mistakes("client-channel-"+kind, `{"event":"client-x","channel":`+kind+`,"data":"{}"}`))
	}
	return append(all,
		runDrill("B10/others-only", "-", "an event to a private channel with 3 subscribers, one of them the sender", "it reaches the other two, with data as text, and not the sender", othersOnly),
		runDrill("B10/presence", "-", "events of two users to a presence channel", "they say whose they are", signedWhispers),
		runDrill("B10/left", "-", "an event to a private channel that the sender has left", "an error, and nobody hears of it", whispersAfterLeaving),
		runDrill("B10/rate", "-", "five times as many events at once as are allowed in a second", "pusher:error 4301 for those that are too many, the others in order for the subscriber; the connection goes on", tooFast))
}

// whisper is a client event.
func whisper(channel string) string {
	return `{"event":"client-whisper","channel":` + quoteJSON(channel) + `,"data":{"x":1}}`
}

// user is channel_data of a user, where a channel wants some.
func user(channel, id string) []string {
	if strings.HasPrefix(channel, "presence-") {
		return []string{`{"user_id":` + quoteJSON(id) + `}`}
	}
	return nil
}

// undelivered is a case of an event that may not be: its sender gets an error, and
// a subscriber of the channel nothing before the next event that is published.
func undelivered(id, prefix, name string, joined bool, say func(channel string) string) Case {
	return runDrill(id, "-", name, "pusher:error; no subscriber hears of it, and both connections go on", func(b *Bench) error {
		channel := b.channel(prefix)
		sender, listener, err := b.couple(channel, joined)
		if err != nil {
			return err
		}
		w := wireOf(text(say(channel)))
		sender.write(w.Bytes)
		if err := b.expect(sender, wantSaid(mistaken)); err != nil {
			return err
		}
		sender.split(w.Bytes, len(w.Bytes)/2)
		if err := b.expect(sender, wantSaid(mistaken)); err != nil {
			return err
		}
		return b.onlyNext(channel, joined, sender, listener)
	})
}

// couple opens a sender and a listener of a channel.
func (b *Bench) couple(channel string, joined bool) (sender, listener *Client, err error) {
	if sender, err = b.open(); err != nil {
		return nil, nil, err
	}
	if joined {
		if err := b.joins(sender, channel, user(channel, "sender")...); err != nil {
			return nil, nil, err
		}
	}
	if listener, err = b.open(); err != nil {
		return nil, nil, err
	}
	return sender, listener, b.joins(listener, channel, user(channel, "listener")...)
}

// onlyNext publishes an event: nothing else may come before it.
func (b *Bench) onlyNext(channel string, joined bool, sender, listener *Client) error {
	phone, err := b.phone()
	if err != nil {
		return err
	}
	if _, err := b.ask(phone, b.push().publish("next", "{}", channel), http.StatusOK, ""); err != nil {
		return err
	}
	next := wantSaid(said{event: "next", channel: channel})
	if err := b.expect(listener, next); err != nil {
		return fmt.Errorf("a subscriber: %w", err)
	}
	if joined && !strings.HasPrefix(channel, "presence-") {
		if err := b.expect(sender, next); err != nil {
			return fmt.Errorf("the sender: %w", err)
		}
	}
	if err := b.finish(listener, ending{how: alive}); err != nil {
		return err
	}
	return b.finish(sender, ending{how: alive})
}

func othersOnly(b *Bench) error {
	channel := b.channel("private-others")
	all, err := b.listeners(3, channel)
	if err != nil {
		return err
	}
	data := quoteJSON(stamped("whisper", 1, 200))
	all[0].write(wireOf(text(`{"event":"client-whisper","channel":` + quoteJSON(channel) + `,"data":{"x":` + data + `}}`)).Bytes)
	for _, c := range all[1:] {
		if err := b.expect(c, wantSaid(said{event: "client-whisper", channel: channel}.exactly(`{"x":`+data+`}`))); err != nil {
			return err
		}
	}
	for _, c := range all { // the sender's next is no echo
		if err := b.finish(c, ending{how: alive}); err != nil {
			return err
		}
	}
	return nil
}

func signedWhispers(b *Bench) error {
	channel := b.channel("presence-whispers")
	sender, listener, err := b.couple(channel, true)
	if err != nil {
		return err
	}
	if err := b.expect(sender, wantSaid(said{event: "pusher_internal:member_added", channel: channel})); err != nil {
		return err
	}
	// A user_id of the client's own is no proof of anything.
	sender.write(wireOf(text(`{"event":"client-whisper","channel":` + quoteJSON(channel) + `,"data":{},"user_id":"listener"}`)).Bytes)
	if err := b.expect(listener, wantSaid(said{event: "client-whisper", channel: channel, user: "sender"})); err != nil {
		return err
	}
	listener.write(wireOf(text(whisper(channel))).Bytes)
	if err := b.expect(sender, wantSaid(said{event: "client-whisper", channel: channel, user: "listener"})); err != nil {
		return err
	}
	return b.finish(sender, ending{how: alive})
}

func whispersAfterLeaving(b *Bench) error {
	channel := b.channel("private-left")
	sender, listener, err := b.couple(channel, true)
	if err != nil {
		return err
	}
	sender.write(wireOf(text(whisper(channel)), text(unsubscribing(channel)), text(whisper(channel))).Bytes)
	if err := b.expect(sender, wantSaid(mistaken)); err != nil {
		return err
	}
	if err := b.expect(listener, wantSaid(said{event: "client-whisper", channel: channel})); err != nil {
		return err
	}
	return b.onlyNext(channel, false, sender, listener)
}

// tooFast: of many at once only so many may pass, and each of the others is refused.
func tooFast(b *Bench) error {
	allowed := b.push().ClientEvents
	channel, sent := b.channel("private-rate"), 5*allowed
	sender, listener, err := b.couple(channel, true)
	if err != nil {
		return err
	}
	var parts []part
	for n := range sent {
		parts = append(parts, text(`{"event":"client-numbered","channel":`+quoteJSON(channel)+`,"data":"`+fmt.Sprint(n)+`"}`))
	}
	beat, answer := b.o.dialect.beat()
	sender.write(wireOf(append(parts, beat)...).Bytes)
	refused := 0
	for {
		e := sender.next(b.o.Timeout)
		if answer.meets(e) {
			break
		}
		if x := wantSaid(complaint(4301)); !x.meets(e) {
			return &mismatch{e.String() + x.differ(e), x.String()}
		}
		refused++
	}
	passed := sent - refused
	if passed < allowed || passed > 3*allowed { // on a machine that stands still meanwhile
		return &mismatch{fmt.Sprintf("%d of %d events passed", passed, sent), fmt.Sprintf("%d, or those of three seconds", allowed)}
	}
	for n := range passed {
		if err := b.expect(listener, wantSaid(said{event: "client-numbered", channel: channel}.exactly(fmt.Sprint(n)))); err != nil {
			return err
		}
	}
	return b.onlyNext(channel, true, sender, listener)
}
