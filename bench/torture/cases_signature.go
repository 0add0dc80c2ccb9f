package torture

import (
	"fmt"
	"strings"
)

// signatureCases: who may subscribe and sign in, and who may not. Row A9.
func signatureCases(p *pusher) (all []Case) {
	for _, c := range []struct {
		name string
		auth func(socket string) string
	}{
		{"absent", func(string) string { return "" }},
		{"colon", func(string) string { return ":" }},
		{"key-only", func(string) string { return p.Key + ":" }},
		{"no-colon", func(s string) string { return strings.Replace(p.authorises(s, "private-a", ""), ":", "", 1) }},
		{"no-key", func(s string) string { return strings.TrimPrefix(p.authorises(s, "private-a", ""), p.Key) }},
		{"other-key", func(s string) string { return "x" + p.authorises(s, "private-a", "") }},
		{"other-secret", func(s string) string {
			return (&pusher{Push{App: App{Key: p.Key, Secret: p.Secret + "x"}}}).authorises(s, "private-a", "")
		}},
		{"other-channel", func(s string) string { return p.authorises(s, "private-b", "") }},
		{"channel-begins-so", func(s string) string { return p.authorises(s, "private-a:b", "") }},
		{"other-socket", func(s string) string { return p.authorises(s+"1", "private-a", "") }},
		{"no-socket", func(string) string { return p.authorises("", "private-a", "") }},
		{"of-signin", func(s string) string { return p.signs(s + "::user::private-a") }},
		{"with-data", func(s string) string { return p.authorises(s, "private-a", `{"user_id":"1"}`) }},
		{"upper-case", func(s string) string {
			return p.Key + ":" + strings.ToUpper(p.authorises(s, "private-a", "")[len(p.Key)+1:])
		}},
		{"cut", func(s string) string { a := p.authorises(s, "private-a", ""); return a[:len(a)-1] }},
		{"longer", func(s string) string { return p.authorises(s, "private-a", "") + "0" }},
		{"last-digit", func(s string) string { return lastDigit(p.authorises(s, "private-a", "")) }},
		{"space", func(s string) string { return p.authorises(s, "private-a", "") + " " }},
		{"huge", func(string) string { return p.Key + ":" + strings.Repeat("0", 8<<10) }},
	} {
		all = append(all, turnsAway("A9/auth-"+c.name, "a private channel, with an authorisation that is "+c.name, func(c2 *Client) string {
			return fmt.Sprintf(`{"event":"pusher:subscribe","data":{"channel":"private-a","auth":%s}}`, quoteJSON(c.auth(c2.socket)))
		}))
	}
	for _, kind := range []string{`null`, `7`, `[]`, `{}`, `true`} {
		all = append(all, turnsAway(fmt.Sprintf("R6/auth-%s", kind), "a private channel, and "+kind+" for an authorisation", func(*Client) string {
			return `{"event":"pusher:subscribe","data":{"channel":"private-a","auth":` + kind + `}}`
		}))
	}
	all = append(all, userDataCases(p)...)
	return append(all, signInCases(p)...)
}

// lastDigit changes the last of a signature.
func lastDigit(auth string) string {
	last := byte('0')
	if auth[len(auth)-1] == last {
		last = '1'
	}
	return auth[:len(auth)-1] + string(last)
}

// userDataCases: what channel_data may be, correctly signed. Rows A8, R6.
func userDataCases(p *pusher) (all []Case) {
	long := func(n int) string { return strings.Repeat("u", n) }
	for _, c := range []struct{ name, data string }{
		{"empty", ``}, {"no-json", `user 1`}, {"null", `null`}, {"list", `["1"]`}, {"number", `1`}, {"no-id", `{"user_info":{}}`}, {"id-null", `{"user_id":null}`},
		{"id-empty", `{"user_id":""}`}, {"id-object", `{"user_id":{"user_id":"1"}}`}, {"id-list", `{"user_id":["1"]}`}, {"id-true", `{"user_id":true}`},
		{"id-long", `{"user_id":"` + long(129) + `"}`}, {"info-large", `{"user_id":"1","user_info":"` + long(p.MemberBytes) + `"}`},
		{"deep", `{"user_id":"1","user_info":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`},
	} {
		all = append(all, turnsAway("A8/member-"+c.name, "a presence channel, and signed channel_data "+brief([]byte(c.data)), func(c2 *Client) string {
			return fmt.Sprintf(`{"event":"pusher:subscribe","data":{"channel":"presence-a","auth":%s,"channel_data":%s}}`,
				quoteJSON(p.authorises(c2.socket, "presence-a", c.data)), quoteJSON(c.data))
		}))
	}
	all = append(all,
		turnsAway("A8/member-absent", "a presence channel without channel_data", func(c *Client) string { return p.joining(c, "presence-a") }),
		turnsAway("A9/data-not-signed", "a presence channel, and channel_data that the authorisation does not cover", func(c *Client) string {
			return fmt.Sprintf(`{"event":"pusher:subscribe","data":{"channel":"presence-a","auth":%s,"channel_data":"{\"user_id\":\"1\"}"}}`, quoteJSON(p.authorises(c.socket, "presence-a", "")))
		}),
		turnsAway("A9/data-changed", "a presence channel, and channel_data of another user than was signed", func(c *Client) string {
			return strings.Replace(p.joining(c, "presence-a", `{"user_id":"12"}`), `\"12\"`, `\"13\"`, 1)
		}))
	for _, c := range []struct{ name, data, id string }{
		{"text", `{"user_id":"1"}`, "1"}, {"number", `{"user_id":7}`, "7"}, {"longest", `{"user_id":"` + long(128) + `"}`, long(128)},
		{"info", `{"user_id":"1","user_info":{"name":"<&> \u2028 ü"}}`, "1"}, {"odd", `{"user_id":"__proto__"}`, "__proto__"}, {"escapes", `{"user_id":"\u001b\"\\"}`, "\x1b\"\\"},
	} {
		all = append(all, runDrill("B8/member-"+c.name, "-", "a presence channel, channel_data "+brief([]byte(c.data)), "a list of members with the user in it", func(b *Bench) error {
			client, err := b.open()
			if err != nil {
				return err
			}
			channel := b.channel("presence-member")
			client.write(wireOf(text(p.joining(client, channel, c.data))).Bytes)
			if err := b.expect(client, wantSaid(membership(channel, c.id))); err != nil {
				return err
			}
			return b.finish(client, ending{how: alive})
		}))
	}
	return all
}

// turnsAway is a case of a subscription that is refused, however it is cut, on a
// connection that stays, and may subscribe where it is authorised.
func turnsAway(id, name string, say func(c *Client) string) Case {
	return runDrill(id, "-", name, "an error; the connection goes on, and what is authorised is taken", func(b *Bench) error {
		c, err := b.open()
		if err != nil {
			return err
		}
		if err := b.joins(c, b.channel("private-control")); err != nil {
			return err
		}
		w := wireOf(text(say(c)))
		c.write(w.Bytes)
		if err := b.expect(c, wantSaid(denied)); err != nil {
			return err
		}
		c.split(w.Bytes, len(w.Bytes)/2)
		if err := b.expect(c, wantSaid(denied)); err != nil {
			return fmt.Errorf("cut in two: %w", err)
		}
		if len(w.Bytes) < 300 {
			c.trickle(w.pieces())
			if err := b.expect(c, wantSaid(denied)); err != nil {
				return fmt.Errorf("bytewise: %w", err)
			}
		}
		return b.finish(c, ending{how: alive})
	})
}

// signInCases: a connection that cannot prove who its user is, is closed. Row A9.
func signInCases(p *pusher) (all []Case) {
	signIn := func(c *Client, data string) string {
		return fmt.Sprintf(`{"event":"pusher:signin","data":{"auth":%s,"user_data":%s}}`, quoteJSON(p.signs(c.socket+"::user::"+data)), quoteJSON(data))
	}
	ends := func(id, name string, say func(c *Client) []string) Case {
		return runDrill(id, "-", name, "pusher:error 4009 and close 4009, then FIN; nothing behind it is answered", func(b *Bench) error {
			c, err := b.open()
			if err != nil {
				return err
			}
			if err := b.says(c, b.control("before")); err != nil {
				return err
			}
			var parts []part
			for _, s := range say(c) {
				parts = append(parts, text(s))
			}
			ping, _ := p.beat()
			c.write(wireOf(append(parts, ping)...).Bytes)
			for range len(parts) - 1 {
				if err := b.expect(c, wantSaid(said{event: "pusher:signin_success"})); err != nil {
					return err
				}
			}
			if err := b.expect(c, wantSaid(complaint(4009))); err != nil {
				return err
			}
			return b.finish(c, ending{dismissed, []uint16{4009}})
		})
	}
	for _, c := range []struct{ name, data string }{
		{"no-json", "u"}, {"null", "null"}, {"no-id", `{"user_info":{}}`}, {"id-object", `{"id":{}}`}, {"id-empty", `{"id":""}`},
		{"id-long", `{"id":"` + strings.Repeat("u", 129) + `"}`}, {"watchlist-object", `{"id":"1","watchlist":{}}`}, {"watchlist-numbers", `{"id":"1","watchlist":[1,[]]}`},
	} {
		all = append(all, ends("R6/user-data-"+c.name, "a sign-in with user_data "+brief([]byte(c.data))+", correctly signed", func(client *Client) []string { return []string{signIn(client, c.data)} }))
	}
	return append(all,
		ends("A9/signin-forged", "a sign-in that is signed wrongly", func(c *Client) []string {
			return []string{strings.Replace(signIn(c, `{"id":"12"}`), `\"12\"`, `\"13\"`, 1)}
		}),
		ends("A9/signin-of-a-channel", "a sign-in with a channel's authorisation", func(c *Client) []string {
			return []string{fmt.Sprintf(`{"event":"pusher:signin","data":{"auth":%s,"user_data":"{\"id\":\"1\"}"}}`, quoteJSON(p.authorises(c.socket, `{"id":"1"}`, "")))}
		}),
		ends("A9/signin-twice", "a second sign-in as another user", func(c *Client) []string { return []string{signIn(c, `{"id":"first"}`), signIn(c, `{"id":"second"}`)} }),
		runDrill("A9/signin-own-channel", "-", "a signed-in user that subscribes to another's own channel, and to its own", "an error, and success", func(b *Bench) error {
			c, err := b.open()
			if err != nil {
				return err
			}
			own := "#server-to-user-" + b.channel("owner")
			c.write(wireOf(text(signIn(c, `{"id":"`+strings.TrimPrefix(own, "#server-to-user-")+`"}`)), text(subscribing(own+"x")), text(subscribing(own))).Bytes)
			if err := b.expect(c, wantSaid(said{event: "pusher:signin_success"}), wantSaid(denied), wantSaid(succeeded(own))); err != nil {
				return err
			}
			return b.finish(c, ending{how: alive})
		}),
		runDrill("A8/watchlist", "-", "a sign-in with a watchlist of 101 users", "success, pusher:error 4302, and the connection goes on", func(b *Bench) error {
			c, err := b.open()
			if err != nil {
				return err
			}
			var list []string
			for i := range 101 {
				list = append(list, fmt.Sprintf("watched-%d", i))
			}
			c.write(wireOf(text(signIn(c, `{"id":`+quoteJSON(b.channel("watcher"))+`,"watchlist":`+quoteJSON(list)+`}`))).Bytes)
			if err := b.expect(c, wantSaid(said{event: "pusher:signin_success"}), wantSaid(complaint(4302)), wantSaid(said{event: "pusher_internal:watchlist_events"})); err != nil {
				return err
			}
			return b.finish(c, ending{how: alive})
		}))
}
