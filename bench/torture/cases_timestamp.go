package torture

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// callWindow is how far the clock of a backend may be from the server's: what the
// protocol says.
const callWindow = 600 * time.Second

// timestampCases: who has recorded a call can repeat it for ten minutes. Rows A2, M7.
func timestampCases() []Case {
	const bad = http.StatusUnauthorized
	all := []Case{
		edgeCase("A2/window-past", "the last whole second within the window, and the first beyond it", -callWindow+time.Second, -callWindow-time.Second),
		edgeCase("A2/window-future", "the same ahead of the server's clock", callWindow, callWindow+time.Second),
		servesCall("A2/replayed", "a call that was made before, within the window", func(p *pusher, channel string) call {
			return p.publish("bent", "x", channel).at(time.Now().Add(-callWindow / 2)).without("auth_signature").sign(p.App)
		}),
		runDrill("M7/whose-clock", "-", "a call of a clock that is an hour slow", "401, and a text that has the server's time", func(b *Bench) error {
			phone, err := b.phone()
			if err != nil {
				return err
			}
			p := b.push()
			phone.write(p.event("bent", "x", "nobody").at(time.Now().Add(-time.Hour)).sign(p.App).request(b.o).bytes())
			e, err := b.refusal(phone, bad)
			if err != nil {
				return err
			}
			for _, word := range strings.FieldsFunc(string(e.Payload), func(r rune) bool { return r < '0' || r > '9' }) {
				if seconds, err := strconv.ParseInt(word, 10, 64); err == nil && time.Since(time.Unix(seconds, 0)).Abs() < time.Minute {
					return nil
				}
			}
			return &mismatch{fmt.Sprintf("%v %q", e, e.Payload), "a text with the time of its own clock"}
		}),
	}
	now := func(format string) func() string {
		return func() string { return fmt.Sprintf(format, time.Now().Unix()) }
	}
	for name, stamp := range map[string]func() string{
		"empty": func() string { return "" }, "exponent": func() string { return "1e9" }, "negative": now("-%d"), "plus": now("+%d"), "hex": now("%#x"),
		"space-before": now(" %d"), "space-after": now("%d "), "newline": now("%d\n"), "nul": now("%d\x00"), "fraction": now("%d.5"),
		"milliseconds": now("%d000"), "underscore": now("%d_0"), "two-to-63": func() string { return "9223372036854775808" },
		"two-to-64": func() string { return "18446744073709551616" }, "wraps-to-now": func() string { return wrapped(time.Now()) },
		"zero": func() string { return "0" }, "word": func() string { return "now" }, "long": func() string { return strings.Repeat("9", 500) },
		"date": func() string { return time.Now().UTC().Format(time.RFC3339) },
	} {
		all = append(all, refusesCall("A2/timestamp-"+name, "a signed auth_timestamp that is none: "+name, beforeSigning(func(p *pusher, c call) call {
			return c.with("auth_timestamp", stamp()).sign(p.App)
		}), bad))
	}
	return all
}

// wrapped is a time that overflows to now in 64 bits.
func wrapped(now time.Time) string {
	const twoTo64 = "18446744073709551616"
	sum := fmt.Appendf(nil, "%020d", now.Unix())
	carry := byte(0)
	for i := len(sum) - 1; i >= 0; i-- {
		d := sum[i] - '0' + twoTo64[i] - '0' + carry
		sum[i], carry = '0'+d%10, d/10
	}
	return string(sum)
}

// edgeCase is about the border of the window, to the second.
func edgeCase(id, name string, within, beyond time.Duration) Case {
	return runDrill(id, "-", name, "response 200 and the event, and response 401 and none", func(b *Bench) error {
		return withinSecond(func(now time.Time) error {
			a, phone, err := b.stage(id)
			if err != nil {
				return err
			}
			p := b.push()
			if _, err := b.ask(phone, p.event("bent", "x", a.channel).at(now.Add(within)).sign(p.App), http.StatusOK, "{}"); err != nil {
				return err
			}
			if err := a.hears("bent", "x"); err != nil {
				return err
			}
			phone.write(p.event("bent", "x", a.channel).at(now.Add(beyond)).sign(p.App).request(b.o).bytes())
			if _, err := b.refusal(phone, http.StatusUnauthorized); err != nil {
				return err
			}
			return a.control(phone)
		})
	})
}

// withinSecond has something judged in the second of the clock in which it began;
// when that takes longer, on a busy machine, it is tried again.
func withinSecond(try func(now time.Time) error) (err error) {
	for range 5 {
		next := time.Now().Truncate(time.Second).Add(time.Second + 20*time.Millisecond)
		time.Sleep(time.Until(next))
		if err = try(next); time.Now().Unix() == next.Unix() {
			return err
		}
	}
	return err
}
