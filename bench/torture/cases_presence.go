package torture

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// presenceCases: users who come and go, in several tabs. Row B8.
func presenceCases(p *pusher) []Case {
	return []Case{
		runDrill("B8/tabs", "-", "a user who comes in 3 tabs, closes one, leaves with one and has the last reset", "one member_added and one member_removed; nobody hears of himself", tabs),
		runDrill("B8/twice", "-", "a connection that subscribes twice, and then as another user", "it stays who it was, and is one member", joinsTwice),
		runDrill("B8/churn", "-", "6 connections of 3 users that come and go 25 times each, while another client keeps the list", "comings and goings in turns, and a list that is the same as a newcomer's, and as the API's", presenceChurn),
		runDrill("B8/flap", "-", fmt.Sprintf("a client that joins and leaves %d times, as fast as it can", 2*p.Channels),
			fmt.Sprintf("%d joins, ten more in a second, an error for each other one; the others hear of comings and goings in turns, and both connections go on", p.Channels), flapping),
		runDrill("A8/members-full", "-", fmt.Sprintf("%d users on a presence channel, one more, and a second tab of the first", p.Members), "an error for the one more", fullHouse).byItself(),
	}
}

// comes and goes are what the others are told.
func comes(channel, id string) expect { return moved("added", channel, id) }
func goes(channel, id string) expect  { return moved("removed", channel, id) }

func moved(how, channel, id string) expect {
	return wantSaid(said{event: "pusher_internal:member_" + how, channel: channel, what: "of " + id, data: func(data string) string {
		if memberOf(data) == id {
			return ""
		}
		return "another member"
	}})
}

// memberOf is whom such an event is about.
func memberOf(data string) string {
	var d struct {
		ID string `json:"user_id"`
	}
	json.Unmarshal([]byte(data), &d)
	return d.ID
}

func tabs(b *Bench) error {
	channel := b.channel("presence-tabs")
	watcher, err := b.enters(channel, "watcher")
	if err != nil {
		return err
	}
	var tab []*Client
	for i := range 3 {
		c, err := b.open()
		if err != nil {
			return err
		}
		c.write(wireOf(text(b.push().joining(c, channel, `{"user_id":17,"user_info":{"tab":`+fmt.Sprint(i)+`}}`))).Bytes)
		if err := b.expect(c, wantSaid(membership(channel, "17"))); err != nil {
			return err
		}
		tab = append(tab, c)
	}
	if err := b.expect(watcher, comes(channel, "17")); err != nil {
		return err
	}
	if err := b.finish(tab[0], ending{how: alive}); err != nil {
		return err
	}
	tab[1].write(wireOf(text(unsubscribing(channel))).Bytes)
	if err := b.says(tab[1], b.control("left")); err != nil {
		return err
	}
	if err := b.says(watcher, b.control("quiet")); err != nil { // nobody has gone yet
		return err
	}
	tab[2].abort()
	if err := b.expect(watcher, goes(channel, "17")); err != nil {
		return err
	}
	return b.finish(watcher, ending{how: alive})
}

func joinsTwice(b *Bench) error {
	channel := b.channel("presence-twice")
	watcher, err := b.enters(channel, "watcher")
	if err != nil {
		return err
	}
	c, err := b.open()
	if err != nil {
		return err
	}
	for _, id := range []string{"a", "a", "b"} {
		c.write(wireOf(text(b.push().joining(c, channel, user(channel, id)...))).Bytes)
		if err := b.expect(c, wantSaid(membership(channel, "a"))); err != nil {
			return err
		}
	}
	c.write(wireOf(text(unsubscribing(channel)), text(whisper(channel))).Bytes)
	if err := b.expect(c, wantSaid(mistaken)); err != nil {
		return err
	}
	if err := b.expect(watcher, comes(channel, "a"), goes(channel, "a")); err != nil {
		return err
	}
	if err := b.finish(c, ending{how: alive}); err != nil {
		return err
	}
	return b.finish(watcher, ending{how: alive})
}

// presenceChurn: whoever keeps a list by what he is told has the right one.
func presenceChurn(b *Bench) error {
	const clients, rounds = 6, 25
	channel := b.channel("presence-churn")
	watcher, err := b.enters(channel, "watcher")
	if err != nil {
		return err
	}
	errs := make([]error, clients)
	var all sync.WaitGroup
	for i := range clients {
		own := &Bench{o: b.o}
		defer own.hangUp()
		id := fmt.Sprint("user", i%3)
		all.Go(func() {
			for round := range rounds {
				if errs[i] = own.passesThrough(channel, id, round); errs[i] != nil {
					return
				}
			}
			var c *Client // half of them stay
			if c, errs[i] = own.open(); errs[i] == nil && id != "user0" {
				errs[i] = own.joinsAs(c, channel, id)
			}
		})
	}
	all.Wait()
	if err := firstOf(errs); err != nil {
		return err
	}
	return b.agrees(watcher, channel, []string{"user1", "user2", "watcher"})
}

// flapping: every coming and going is told to all members, so there is an end to them.
func flapping(b *Bench) error {
	p, channel := b.push(), b.channel("presence-flap")
	watcher, err := b.enters(channel, "watcher")
	if err != nil {
		return err
	}
	c, err := b.open()
	if err != nil {
		return err
	}
	var parts []part
	for range 2 * p.Channels {
		parts = append(parts, text(p.joining(c, channel, user(channel, "flap")...)), text(unsubscribing(channel)))
	}
	begun, joined := time.Now(), 0
	go c.write(wireOf(parts...).Bytes)
	for range 2 * p.Channels {
		switch e := c.next(b.o.Timeout); {
		case wantSaid(membership(channel, "flap")).meets(e):
			joined++
		case !wantSaid(denied).meets(e):
			return &mismatch{e.String(), "a list of members, or " + wantSaid(denied).String()}
		}
	}
	most := p.Channels + p.MemberJoins*int(time.Since(begun)/time.Second+1)
	if joined < p.Channels || joined > most {
		return &mismatch{fmt.Sprintf("%d joins", joined), fmt.Sprintf("%d to %d", p.Channels, most)}
	}
	for range joined {
		if err := b.expect(watcher, comes(channel, "flap"), goes(channel, "flap")); err != nil {
			return err
		}
	}
	if err := b.finish(c, ending{how: alive}); err != nil {
		return err
	}
	return b.finish(watcher, ending{how: alive})
}

// enters opens a connection that is a member from its beginning.
func (b *Bench) enters(channel, id string) (*Client, error) {
	c, err := b.open()
	if err == nil {
		err = b.joins(c, channel, user(channel, id)...)
	}
	return c, err
}

// joinsAs subscribes and wants to be in the list.
func (b *Bench) joinsAs(c *Client, channel, id string) error {
	c.write(wireOf(text(b.push().joining(c, channel, user(channel, id)...))).Bytes)
	return b.expect(c, wantSaid(membership(channel, id)))
}

// passesThrough comes, and goes in one of the ways there are.
func (b *Bench) passesThrough(channel, id string, round int) error {
	b.forget()
	c, err := b.open()
	if err != nil {
		return err
	}
	if err := b.joinsAs(c, channel, id); err != nil {
		return err
	}
	switch round % 3 {
	case 0:
		c.abort()
	case 1:
		c.write(wireOf(text(unsubscribing(channel)), text(b.push().joining(c, channel, user(channel, id)...))).Bytes)
		for member := membership(channel, id); err == nil; { // of the others something may come before it
			e := c.next(b.o.Timeout)
			if wantSaid(member).meets(e) {
				break
			}
			if s, bad := spokenOf(e); bad != "" || !strings.HasPrefix(s.Event, "pusher_internal:member_") {
				err = &mismatch{member.wrong(e), member.String()}
			}
		}
		c.write(wireOf(closing(1000, "")).Bytes)
	case 2:
		c.shutdown()
	}
	return err
}

// agrees reads what a watcher was told until it knows these members, and no others.
func (b *Bench) agrees(watcher *Client, channel string, want []string) error {
	there := map[string]bool{"watcher": true}
	list := func() (ids []string) {
		for id, is := range there {
			if is {
				ids = append(ids, id)
			}
		}
		slices.Sort(ids)
		return ids
	}
	last, err := b.open() // who comes last is told of everybody, and told to everybody
	if err != nil {
		return err
	}
	// Everybody who came was told so; those who left go when the server has noticed.
	for settled := false; !settled; {
		e := watcher.next(b.o.Timeout)
		s, bad := spokenOf(e)
		id := memberOf(s.text())
		added := strings.HasSuffix(s.Event, "added")
		if bad != "" || s.Channel != channel || there[id] == added || !added && !strings.HasSuffix(s.Event, "removed") {
			return &mismatch{e.String() + " when there were " + fmt.Sprint(list()), "comings and goings in turns"}
		}
		there[id] = added
		settled = slices.Equal(list(), want) && watcher.idle()
	}
	last.write(wireOf(text(b.push().joining(last, channel, user(channel, "watcher")...))).Bytes)
	e := last.next(b.o.Timeout)
	s, _ := spokenOf(e)
	if got := membersOf(s.text()); !slices.Equal(got, want) {
		return &mismatch{fmt.Sprintf("%v for a newcomer", got), fmt.Sprint(want)}
	}
	phone, err := b.phone()
	if err != nil {
		return err
	}
	made := b.push().call("GET", "channels/"+channel+"/users").sign(b.push().App)
	if e, err = b.ask(phone, made, http.StatusOK, ""); err != nil {
		return err
	}
	var told struct{ Users []struct{ ID string } }
	if err := json.Unmarshal(e.Payload, &told); err != nil || len(told.Users) != len(want) {
		return &mismatch{string(e.Payload) + " from the API", fmt.Sprint(want)}
	}
	return b.finish(watcher, ending{how: alive})
}

func fullHouse(b *Bench) error {
	channel := b.channel("presence-full")
	limit := b.push().Members
	join := func(id int) (*Client, error) {
		c, err := b.open()
		if err == nil {
			c.write(wireOf(text(b.push().joining(c, channel, user(channel, fmt.Sprint(id))...))).Bytes)
		}
		return c, err
	}
	for id := range limit {
		c, err := join(id)
		if err != nil {
			return err
		}
		if err := b.expect(c, wantSaid(membership(channel, fmt.Sprint(id)))); err != nil {
			return err
		}
	}
	c, err := join(limit)
	if err != nil {
		return err
	}
	if err := b.expect(c, wantSaid(denied)); err != nil {
		return err
	}
	if err := b.finish(c, ending{how: alive}); err != nil {
		return err
	}
	if c, err = join(0); err != nil {
		return err
	}
	if err := b.expect(c, wantSaid(membership(channel, "0"))); err != nil {
		return err
	}
	return b.finish(c, ending{how: alive})
}
