package torture

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// App is an app of a server of the Pusher Channels protocol: its key is what
// clients connect with, its secret what signs the calls of a backend.
type App struct{ ID, Key, Secret string }

// call is a call of the HTTP API of such a server. What is set before sign is
// signed for; what is set after it is a forgery.
type call struct {
	method, path string
	query        []queryParam // as it is sent
	fields       []string
	body         string
}

type queryParam struct{ name, value string }

// post is a call with a body, which is not signed yet.
func (a App) post(path, body string) call {
	sum := md5.Sum([]byte(body))
	c := a.call("POST", path).with("body_md5", hex.EncodeToString(sum[:]))
	c.body = body
	return c
}

// call is a call without a body, which is not signed yet. path begins below the app's.
func (a App) call(method, path string) call {
	return call{method: method, path: "/apps/" + a.ID + "/" + path, query: []queryParam{
		{"auth_key", a.Key}, {"auth_timestamp", fmt.Sprint(time.Now().Unix())}, {"auth_version", "1.0"},
	}}
}

// event is a call that publishes an event to channels.
func (a App) event(name, data string, channels ...string) call {
	return a.post("events", eventBody(name, data, channels...))
}

// eventBody is what such a call says. %q would write some bytes otherwise than JSON.
func eventBody(name, data string, channels ...string) string {
	return `{"name":` + quoteJSON(name) + `,"channels":` + quoteJSON(channels) + `,"data":` + quoteJSON(data) + `}`
}

// publish is a call as an honest backend makes it: signed, and ready to be sent.
func (a App) publish(name, data string, channels ...string) call {
	return a.event(name, data, channels...).sign(a)
}

// with sets a parameter of the query, or appends it.
func (c call) with(name, value string) call {
	c.query = slices.Clone(c.query)
	for i := range c.query {
		if c.query[i].name == name {
			c.query[i].value = value
			return c
		}
	}
	c.query = append(c.query, queryParam{name, value})
	return c
}

// twice appends a parameter, whether or not it is there.
func (c call) twice(name, value string) call {
	c.query = append(slices.Clip(c.query), queryParam{name, value})
	return c
}

// without leaves a parameter out.
func (c call) without(name string) call {
	c.query = slices.DeleteFunc(slices.Clone(c.query), func(p queryParam) bool { return p.name == name })
	return c
}

// value is that of a parameter.
func (c call) value(name string) string {
	for _, p := range c.query {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

// bare leaves the query out, which is in the path already.
func (c call) bare() call {
	c.query = nil
	return c
}

// at sets the time that is signed for.
func (c call) at(t time.Time) call { return c.with("auth_timestamp", fmt.Sprint(t.Unix())) }

// to changes the path.
func (c call) to(path string) call {
	c.path = path
	return c
}

// says changes the body, and nothing that was said of it.
func (c call) says(body string) call {
	c.body = body
	return c
}

// field adds a header field.
func (c call) field(line string) call {
	c.fields = append(slices.Clip(c.fields), line)
	return c
}

// sign appends the signature: of the method, the path, and the query sorted by
// name and not escaped.
func (c call) sign(a App) call {
	var pairs []string
	for _, p := range c.query {
		pairs = append(pairs, strings.ToLower(p.name)+"="+p.value)
	}
	slices.Sort(pairs)
	return c.with("auth_signature", a.hmac(c.method+"\n"+c.path+"\n"+strings.Join(pairs, "&")))
}

// target is the path and the query, escaped.
func (c call) target() string {
	var pairs []string
	for _, p := range c.query {
		pairs = append(pairs, url.QueryEscape(p.name)+"="+url.QueryEscape(p.value))
	}
	if len(pairs) == 0 {
		return c.path
	}
	return c.path + "?" + strings.Join(pairs, "&")
}

// request is the call as it goes over the wire, on a connection that may be kept.
func (c call) request(o *Options) request {
	r := c.head(o)
	if c.body != "" {
		r = r.with("Content-Type: application/json", fmt.Sprintf("Content-Length: %d", len(c.body)))
	}
	r.body = []byte(c.body)
	return r
}

// head is the call without a word of its body.
func (c call) head(o *Options) request {
	return request{
		line:   c.method + " " + c.target() + " HTTP/1.1",
		fields: append([]string{"Host: " + o.host, "X-Probe: " + probe}, c.fields...),
		end:    "\r\n",
	}
}

// phone opens a connection for calls.
func (b *Bench) phone() (*Client, error) {
	c, err := b.dial()
	if err == nil {
		c.listen(false)
	}
	return c, err
}

// ask makes a call on a connection, and wants a status; of a success the body, too.
func (b *Bench) ask(c *Client, made call, status int, body string) (Event, error) {
	c.write(made.request(b.o).bytes())
	return b.answer(c, status, body)
}

// answer wants a response: its status, and its body unless that is left open.
func (b *Bench) answer(c *Client, status int, body string) (Event, error) {
	want := fmt.Sprintf("response %d", status)
	if body != "" {
		want += " " + brief([]byte(body))
	}
	e := c.next(b.o.Timeout)
	if e.Kind != Response || e.Status != status || body != "" && string(e.Payload) != body {
		return e, &mismatch{answered(e), want}
	}
	return e, unreflected(e)
}

// answered is an event in words, with the text of a response.
func answered(e Event) string {
	if e.Kind == Response {
		return e.String() + " " + brief(e.Payload)
	}
	return e.String()
}

// unreflected is about header fields of a request: no response repeats them.
func unreflected(e Event) error {
	if strings.Contains(string(e.Payload), probe) || strings.Contains(fmt.Sprint(e.Header), probe) {
		return &mismatch{e.String() + " that repeats a header field of the request", "none of them"}
	}
	return nil
}

// quoteJSON is v in JSON, with < and & as they are.
func quoteJSON(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // strings and lists of them always can be
	}
	return strings.TrimSuffix(b.String(), "\n")
}
