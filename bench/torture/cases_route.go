package torture

import (
	"fmt"
	"net/http"
	"strings"
)

// routeCases: a path is one path, and nothing that is written like it. Row A12.
func routeCases(p *pusher) (all []Case) {
	good := "/apps/" + p.ID + "/events"
	for name, path := range map[string]string{
		"trailing-slash": good + "/", "double-slash": "/apps/" + p.ID + "//events", "double-first": "/" + good, "double-id": "/apps//" + p.ID + "/events",
		"escaped-slash": "/apps/" + p.ID + "%2Fevents", "escaped-slash-small": "/apps%2f" + p.ID + "/events", "escaped-letter": "/apps/" + p.ID + "/%65vents",
		"escaped-id": "/apps/" + escaped(p.ID) + "/events", "dot": "/apps/./" + p.ID + "/events", "dots": "/apps/x/../" + p.ID + "/events",
		"dots-escaped": "/apps/x/%2e%2e/" + p.ID + "/events", "dots-end": good + "/..", "capitals": "/Apps/" + p.ID + "/events", "capitals-end": "/apps/" + p.ID + "/EVENTS",
		"longer": good + "/x", "suffix": good + "x", "json": good + ".json", "semicolon": good + ";x=1", "nul": good + "%00", "space": good + "%20",
		"backslash": "/apps%5C" + p.ID + "/events", "prefix": "/x" + good, "no-id": "/apps//events", "no-call": "/apps/" + p.ID + "/", "bare": "/apps/" + p.ID,
		"overlong-slash": "/apps/" + p.ID + "%c0%afevents", "fullwidth": "/apps/" + p.ID + "%ef%bc%8fevents", "negative-id": "/apps/-" + p.ID + "/events",
		"zeros": "/apps/0" + p.ID + "/events", "long": "/apps/" + p.ID + "/" + strings.Repeat("events/", 300), "channel-traversal": "/apps/" + p.ID + "/channels/x/../../events",
	} {
		all = append(all, refusesCall("A12/path-"+name, "a call that is signed for the path "+brief([]byte(path))+", and sent to it", beforeSigning(func(p *pusher, c call) call {
			return c.to(path).sign(p.App)
		}), http.StatusNotFound, http.StatusBadRequest))
	}
	for _, method := range []string{"GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "post", "BREW"} {
		all = append(all, refusesCall("A12/method-"+method, method+" for POST", beforeSigning(func(p *pusher, c call) call {
			c.method = method
			return c.sign(p.App)
		}), http.StatusMethodNotAllowed, http.StatusNotFound, http.StatusNotImplemented, http.StatusBadRequest))
	}
	for name, path := range map[string]string{"channels": "channels", "channel": "channels/x", "users": "channels/presence-x/users"} {
		all = append(all, refusesCall("A12/post-"+name, "POST for GET: "+path, func(p *pusher, channel string) call {
			return p.post(path, eventBody("bent", "x", channel)).sign(p.App)
		}, http.StatusMethodNotAllowed, http.StatusNotFound))
	}
	return append(all, queryCases()...)
}

// escaped is a text of which every byte is an escape.
func escaped(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, "%%%02x", c)
	}
	return b.String()
}

// queryCases: what calls ask that they may not. Rows A8, A12.
func queryCases() (all []Case) {
	for name, made := range map[string]func(p *pusher) call{
		"users-of-public":      func(p *pusher) call { return p.call("GET", "channels/public/users") },
		"users-of-private":     func(p *pusher) call { return p.call("GET", "channels/private-x/users") },
		"user-count-of-public": func(p *pusher) call { return p.call("GET", "channels/public").with("info", "user_count") },
		"user-count-of-all":    func(p *pusher) call { return p.call("GET", "channels").with("info", "user_count") },
		"cache-of-public":      func(p *pusher) call { return p.call("GET", "channels/public").with("info", "cache") },
		"info-unknown":         func(p *pusher) call { return p.call("GET", "channels").with("info", "colour") },
		"channel-slash":        func(p *pusher) call { return p.call("GET", "channels/a%2Fb") },
		"channel-newline":      func(p *pusher) call { return p.call("GET", "channels/a%0a") },
		"channel-of-a-user":    func(p *pusher) call { return p.call("GET", "channels/%23server-to-user-1") },
		"channel-long":         func(p *pusher) call { return p.call("GET", "channels/"+strings.Repeat("c", 201)) },
	} {
		all = append(all, refusesCall("A8/query-"+name, "a question that has no answer: "+name, func(p *pusher, _ string) call {
			return made(p).sign(p.App)
		}, http.StatusBadRequest))
	}
	for name, c := range map[string]struct {
		path, info, want string
	}{
		"channel":      {"channels/nobody-is-here", "", `{"occupied":false}`},
		"prefix":       {"channels", "", `{"channels":{}}`},
		"presence":     {"channels/presence-nobody", "user_count", `{"occupied":false,"user_count":0}`},
		"presence-all": {"channels", "user_count", `{"channels":{}}`},
		"users":        {"channels/presence-nobody/users", "", `{"users":[]}`},
	} {
		all = append(all, runDrill("A8/answer-"+name, "-", "a question about what is not there: "+c.path, "response 200 "+c.want, func(b *Bench) error {
			phone, err := b.phone()
			if err != nil {
				return err
			}
			p := b.push()
			ask := p.call("GET", c.path).with("filter_by_prefix", "presence-nobody")
			if c.info != "" {
				ask = ask.with("info", c.info)
			}
			_, err = b.ask(phone, ask.sign(p.App), http.StatusOK, c.want)
			return err
		}))
	}
	return all
}
