package torture

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// forgeryCases: whatever of a call was changed behind its signature, or not signed
// for, it is refused. Rows A3, A4, A5.
func forgeryCases(other App) []Case {
	return slices.Concat(forgedCalls(), doubledCalls(), unlikelyCalls(), digestCases(), strangerCases(), otherAppCases(other), []Case{flippedCase()})
}

// forgedCalls: each part of a call in turn.
func forgedCalls() (all []Case) {
	const bad = http.StatusUnauthorized
	for name, change := range map[string]func(p *pusher, c call) call{
		"parameter-added":    func(_ *pusher, c call) call { return c.with("info", "user_count") },
		"parameter-array":    func(_ *pusher, c call) call { return c.with("channels[]", "other") },
		"parameter-nameless": func(_ *pusher, c call) call { return c.with("", "x") },
		"key-changed":        func(_ *pusher, c call) call { return c.with("auth_key", "another") },
		"key-cut":            func(p *pusher, c call) call { return c.with("auth_key", p.Key[1:]) },
		"key-missing":        func(_ *pusher, c call) call { return c.without("auth_key") },
		"key-empty":          func(_ *pusher, c call) call { return c.with("auth_key", "") },
		"time-changed":       func(p *pusher, c call) call { return c.with("auth_timestamp", laterBy(p, c)) },
		"time-missing":       func(_ *pusher, c call) call { return c.without("auth_timestamp") },
		"version-changed":    func(_ *pusher, c call) call { return c.with("auth_version", "1.00") },
		"version-missing":    func(_ *pusher, c call) call { return c.without("auth_version") },
		"digest-missing":     func(_ *pusher, c call) call { return c.without("body_md5") },
		"signature-missing":  func(_ *pusher, c call) call { return c.without("auth_signature") },
		"signature-empty":    func(_ *pusher, c call) call { return c.with("auth_signature", "") },
		"signature-zero":     func(_ *pusher, c call) call { return c.with("auth_signature", strings.Repeat("0", 64)) },
		"signature-cut":      func(_ *pusher, c call) call { return c.with("auth_signature", c.value("auth_signature")[:63]) },
		"signature-longer":   func(_ *pusher, c call) call { return c.with("auth_signature", c.value("auth_signature")+"0") },
		"signature-nul":      func(_ *pusher, c call) call { return c.with("auth_signature", c.value("auth_signature")+"\x00") },
		"signature-space":    func(_ *pusher, c call) call { return c.with("auth_signature", c.value("auth_signature")+" ") },
		"signature-array": func(_ *pusher, c call) call {
			return c.without("auth_signature").with("auth_signature[]", c.value("auth_signature"))
		},
		"signature-of-nobody": func(_ *pusher, c call) call { return c.without("auth_signature").sign(App{}) },
		"signature-by-key":    func(p *pusher, c call) call { return c.without("auth_signature").sign(App{Secret: p.Key}) },
		"no-query":            func(_ *pusher, c call) call { c.query = nil; return c },
	} {
		all = append(all, refusesCall("A3/"+name, "a call of which was changed after it was signed: "+name, afterSigning(change), bad))
	}
	return append(all,
		refusesCall("A3/version-2", "a signed auth_version that there is not", beforeSigning(func(p *pusher, c call) call { return c.with("auth_version", "2.0").sign(p.App) }), bad),
		refusesCall("A3/method", "a call that is signed as GET", beforeSigning(func(p *pusher, c call) call {
			c.method = "GET"
			c = c.sign(p.App)
			c.method = "POST"
			return c
		}), bad),
		refusesCall("A3/path", "a call that is signed for another path", beforeSigning(func(p *pusher, c call) call {
			right := c.path
			return c.to("/apps/" + p.ID + "/batch_events").sign(p.App).to(right)
		}), bad),
		refusesCall("A3/prefix", "a call that is signed for a path with a prefix that is not sent", beforeSigning(func(p *pusher, c call) call {
			right := c.path
			return c.to("/prefix" + right).sign(p.App).to(right)
		}), bad),
		refusesCall("A3/in-the-body", "a call that has all of its authentication in its body", func(p *pusher, channel string) call {
			c := p.publish("bent", "x", channel)
			var fields strings.Builder
			for _, q := range c.query {
				fmt.Fprintf(&fields, ",%s:%s", quoteJSON(q.name), quoteJSON(q.value))
			}
			c.query = nil
			return c.says(strings.TrimSuffix(c.body, "}") + fields.String() + "}")
		}, bad),
	)
}

// laterBy is the time of a call a second later.
func laterBy(_ *pusher, c call) string {
	t := []byte(c.value("auth_timestamp"))
	t[len(t)-1] = '0' + (t[len(t)-1]-'0'+1)%10
	return string(t)
}

// doubledCalls: of two values one would be signed for, and the other used.
func doubledCalls() (all []Case) {
	for _, name := range []string{"auth_key", "auth_timestamp", "auth_version", "body_md5", "auth_signature"} {
		twice := func(_ *pusher, c call) call { return c.twice(name, c.value(name)) }
		all = append(all,
			refusesCall("A3/twice-"+name, name+" twice", afterSigning(twice), 400, 401),
			refusesCall("A3/twice-upper-"+name, name+" twice, once in capitals", afterSigning(func(_ *pusher, c call) call {
				return c.twice(strings.ToUpper(name), c.value(name))
			}), 400, 401))
		if name != "auth_signature" {
			all = append(all, refusesCall("A3/twice-signed-"+name, name+" twice, both signed for", beforeSigning(func(p *pusher, c call) call {
				return twice(p, c).sign(p.App)
			}), 400, 401))
		}
	}
	return append(all, refusesCall("A3/bad-escape", "a query that is not properly escaped", afterSigning(func(_ *pusher, c call) call {
		return c.to(c.path + "?x=%zz&" + strings.TrimPrefix(c.target(), c.path+"?")).bare()
	}), 400, 401))
}

// unlikelyCalls are those that look odd and are signed right.
func unlikelyCalls() []Case {
	return []Case{
		servesCall("A3/order", "parameters in another order", afterSigning(func(_ *pusher, c call) call {
			c.query = slices.Clone(c.query)
			slices.Reverse(c.query)
			return c
		})),
		servesCall("A3/capitals", "a parameter in capitals, signed in small letters", beforeSigning(func(p *pusher, c call) call {
			return c.without("auth_version").with("AUTH_VERSION", "1.0").sign(p.App)
		})),
		servesCall("A3/more", "further parameters with all kinds of characters, signed for", beforeSigning(func(p *pusher, c call) call {
			return c.with("x", "ö &=+%/?#").with("info", "").sign(p.App)
		})),
		servesCall("A3/spaces-as-20", "a space in the query as %20", beforeSigning(func(p *pusher, c call) call {
			c = c.with("x", "a b").sign(p.App)
			return c.to(strings.Replace(c.target(), "a+b", "a%20b", 1)).bare()
		})),
		servesCall("A3/escaped", "a query with more escapes than it needs", beforeSigning(func(p *pusher, c call) call {
			c = c.sign(p.App)
			return c.to(strings.Replace(c.target(), "auth_version=1.0", "auth%5Fversion=1%2E0", 1)).bare()
		})),
		servesCall("A3/empty-pairs", "nothing between ampersands", afterSigning(func(_ *pusher, c call) call {
			return c.to(strings.Replace(c.target(), "&", "&&", 1) + "&").bare()
		})),
	}
}

// flippedCase: each digit of the signature counts.
func flippedCase() Case {
	return runDrill("A3/signature-flipped", "-", "a call for every digit of the signature that is another one", "response 401 each time", func(b *Bench) error {
		a, phone, err := b.stage("A3/signature-flipped")
		if err != nil {
			return err
		}
		good := b.push().publish("bent", "x", a.channel)
		for i := range 64 {
			digits := []byte(good.value("auth_signature"))
			digits[i] = "0123456789abcdef"[(strings.IndexByte("0123456789abcdef", digits[i])+1)%16]
			phone.write(good.with("auth_signature", string(digits)).request(b.o).bytes())
			if _, err := b.refusal(phone, http.StatusUnauthorized); err != nil {
				return fmt.Errorf("digit %d: %w", i, err)
			}
		}
		if _, err := b.ask(phone, good, http.StatusOK, "{}"); err != nil {
			return err
		}
		return a.hears("bent", "x")
	})
}

// digestCases: body_md5 is that of the body, wherever there is one. Row A4.
func digestCases() (all []Case) {
	const bad = http.StatusUnauthorized
	for name, digest := range map[string]func(right string) string{
		"missing":  nil,
		"empty":    func(string) string { return "" },
		"of-empty": func(string) string { return md5Of("") },
		"cut":      func(s string) string { return s[:31] },
		"longer":   func(s string) string { return s + "0" },
		"zero":     func(string) string { return strings.Repeat("0", 32) },
		"word":     func(string) string { return "md5" },
	} {
		all = append(all, refusesCall("A4/digest-"+name, "a signed body_md5 that is not the body's: "+name, beforeSigning(func(p *pusher, c call) call {
			if digest == nil {
				return c.without("body_md5").sign(p.App)
			}
			return c.with("body_md5", digest(c.value("body_md5"))).sign(p.App)
		}), bad))
	}
	for name, change := range map[string]func(body string) string{
		"changed": func(s string) string { return strings.Replace(s, "bent", "Bent", 1) },
		"shorter": func(s string) string { return s[:len(s)-1] },
		"longer":  func(s string) string { return s + " " },
		"before":  func(s string) string { return "\n" + s },
		"none":    func(string) string { return "" },
	} {
		all = append(all, refusesCall("A4/body-"+name, "another body than the one that was signed for: "+name, afterSigning(func(_ *pusher, c call) call {
			return c.says(change(c.body))
		}), bad))
	}
	return append(all, refusesCall("A4/unsigned-body-of-get", "GET with a body and no body_md5", func(p *pusher, _ string) call {
		return p.call("GET", "channels").sign(p.App).says("{}")
	}, bad))
}

func md5Of(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// strangerCases: nobody calls for another app. Row A5.
func strangerCases() []Case {
	return []Case{
		refusesCall("A5/unknown-app", "a call for an app that there is not, signed with the secret of one that there is", beforeSigning(func(p *pusher, c call) call {
			return c.to("/apps/" + p.ID + "0/events").sign(p.App)
		}), 401, 403, 404),
		refusesCall("A5/unknown-key", "a call with the key of no app", beforeSigning(func(p *pusher, c call) call {
			return c.with("auth_key", p.Key+"0").sign(p.App)
		}), 401, 403),
		refusesCall("A5/unknown-secret", "a call with the secret of no app", beforeSigning(func(p *pusher, c call) call {
			return c.sign(App{Secret: p.Secret + "0"})
		}), 401, 403),
	}
}

// otherAppCases: two apps of one server have nothing in common.
func otherAppCases(o App) []Case {
	if o.ID == "" {
		return nil
	}
	return []Case{
		refusesCall("A5/path-of-another", "a call that is signed with one app's key and secret, for another", func(p *pusher, channel string) call {
			return p.event("bent", "x", channel).to("/apps/" + o.ID + "/events").sign(p.App)
		}, 401, 403),
		refusesCall("A5/key-of-another", "a call with another app's key, and the secret of its own", beforeSigning(func(p *pusher, c call) call {
			return c.with("auth_key", o.Key).sign(p.App)
		}), 401, 403),
		refusesCall("A5/secret-of-another", "a call with the key of one app and the secret of another", beforeSigning(func(_ *pusher, c call) call {
			return c.sign(o)
		}), 401, 403),
		refusesCall("A5/all-of-another", "a call with another app's key and secret, for the path of this", beforeSigning(func(_ *pusher, c call) call {
			return c.with("auth_key", o.Key).sign(o)
		}), 401, 403),
		runDrill("A5/same-channel", "-", "a call of another app, to a channel of the same name", "response 200, and the event stays with that app", func(b *Bench) error {
			a, phone, err := b.stage("A5/same-channel")
			if err != nil {
				return err
			}
			if _, err := b.ask(phone, o.publish("bent", "x", a.channel), http.StatusOK, "{}"); err != nil {
				return err
			}
			return a.control(phone)
		}),
	}
}
