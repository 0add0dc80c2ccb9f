package torture

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"
	"time"
)

// lax is the HTTP API of a server that takes what it should not: it stands before a
// good one and makes a good call of what it was sent, or another answer of what it gets.
type lax struct {
	request  func(r *http.Request, body []byte) []byte
	response func(r *http.Response)
}

// resign signs whatever is called, so that nothing that was sent is checked.
func resign(r *http.Request, body []byte) []byte {
	c := testApp.post("", string(body)).to(r.URL.Path)
	c.method = r.Method
	for name, values := range r.URL.Query() {
		if !strings.HasPrefix(name, "auth_") && name != "body_md5" {
			c = c.with(name, values[0])
		}
	}
	target, err := url.ParseRequestURI(c.sign(testApp).target())
	if err == nil {
		r.URL.RawQuery = target.RawQuery
	}
	return body
}

// resignForUs does the same whatever app it is for.
func resignForUs(r *http.Request, body []byte) []byte {
	r.URL.Path = regexp.MustCompile(`^/apps/\d+/`).ReplaceAllString(r.URL.Path, "/apps/"+testApp.ID+"/")
	return resign(r, body)
}

// breaksDown is an answer of a server that what it was sent was too much for.
func breaksDown(r *http.Response) {
	r.StatusCode, r.Status = http.StatusInternalServerError, "500 Internal Server Error"
}

// misleads has a call find nobody that is about nothing much.
func misleads(r *http.Request, body []byte) []byte {
	if bytes.Contains(body, []byte(`"confused"`)) || strings.Contains(r.URL.Path, "terminate") {
		r.URL.Path = "/nowhere"
	}
	return body
}

// callDefects are mistakes of servers of calls, and the cases that must notice them.
var callDefects = []struct {
	defect, id string
	lax        lax
}{
	{"does not look at the time", "^A2/timestamp-hex$", lax{request: resign}},
	{"does not look at the window", "^A2/window-past$", lax{request: resign}},
	{"does not look at the signature", "^A3/signature-flipped$", lax{request: resign}},
	{"does not look at the digest", "^A4/digest-missing$", lax{request: resign}},
	{"does not look at the key", "^A5/unknown-key$", lax{request: resign}},
	{"does not look at the app of the path", "^A5/unknown-app$", lax{request: resignForUs}},
	{"does not look at the app of the path", "^A5/path-of-another$", lax{request: resignForUs}},
	{"does not look whose key it is", "^A5/all-of-another$", lax{request: resign}},
	{"has one app for all", "^A5/same-channel$", lax{request: resignForUs}},
	{"fails at a name that is none", "^R6/event-name$", lax{response: breaksDown}},
	{"takes an event for no call", "^R6/event-data$", lax{request: misleads}},
	{"fails at a channel that is none", "^R6/event-channel$", lax{response: breaksDown}},
	{"fails at channels that are none", "^R6/event-channels$", lax{response: breaksDown}},
	{"fails at a socket_id that is none", "^R6/event-socket_id$", lax{response: breaksDown}},
	{"fails at an info that is none", "^R6/event-info$", lax{response: breaksDown}},
	{"fails at a batch that is none", "^R6/batch$", lax{response: breaksDown}},
	{"fails at an event in a batch that is none", "^R6/batch-event$", lax{response: breaksDown}},
	{"takes a body for no call", "^R6/terminate$", lax{request: misleads}},
	{"says nothing of its clock", "^M7/whose-clock$", lax{response: func(r *http.Response) { r.Body = io.NopCloser(strings.NewReader("no")) }}},
	{"takes a body that is said to be compressed", "^A6/coded-gzip$", lax{request: func(r *http.Request, body []byte) []byte {
		r.Header.Del("Content-Encoding")
		return body
	}}},
	{"reads JSON up to its end only", "^A7/event-trailing$", lax{request: func(r *http.Request, body []byte) []byte {
		return resign(r, bytes.TrimSuffix(body, []byte("x")))
	}}},
	{"takes an eleventh event for ten", "^A8/batch-11$", lax{request: func(r *http.Request, body []byte) []byte {
		if bytes.Count(body, []byte(`{"name"`)) == 11 {
			body = append(clone(body[:bytes.LastIndex(body, []byte(",{"))]), "]}"...)
		}
		return resign(r, body)
	}}},
	{"excludes nobody", "^A10/excluded-event$", lax{request: func(r *http.Request, body []byte) []byte {
		return resign(r, regexp.MustCompile(`"socket_id":"[^"]*",`).ReplaceAll(body, nil))
	}}},
	{"passes over a socket_id that is none", "^A9/socket-id-word$", lax{request: func(r *http.Request, body []byte) []byte {
		return resign(r, regexp.MustCompile(`"socket_id":"[^"]*",`).ReplaceAll(body, nil))
	}}},
	{"tidies paths", "^A12/path-double-slash$", lax{request: func(r *http.Request, body []byte) []byte {
		r.URL.Path, r.URL.RawPath = path.Clean(r.URL.Path), ""
		return resign(r, body)
	}}},
	{"serves every call of a key", "^A14/at-once$", lax{request: func(r *http.Request, body []byte) []byte {
		r.Header.Del("Idempotency-Key")
		return body
	}}},
	{"refuses without a word", "^A4/body-none$", lax{response: func(r *http.Response) { r.Body = http.NoBody }}},
}

// serve answers the calls of a connection; a WebSocket is passed on as it is.
func (l lax) serve(client net.Conn, server string) {
	defer client.Close()
	upstream, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer upstream.Close()
	in, out := bufio.NewReader(client), bufio.NewReader(upstream)
	if head, err := in.Peek(len("GET /app/..")); err != nil || strings.HasPrefix(string(head), "GET /app/") && !strings.HasSuffix(string(head), "..") {
		go func() {
			io.Copy(upstream, in)
			upstream.Close()
		}()
		io.Copy(client, out)
		return
	}
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, _ := io.ReadAll(r.Body)
		if l.request != nil {
			body = l.request(r, body)
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		if r.Write(upstream) != nil {
			return
		}
		res, err := http.ReadResponse(out, r)
		if err != nil {
			return
		}
		if l.response != nil && res.StatusCode >= http.StatusBadRequest {
			l.response(res)
		}
		answer, _ := io.ReadAll(res.Body)
		fmt.Fprintf(client, "HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s", res.Status, len(answer), answer)
	}
}

func startLax(t *testing.T, server string, l lax) string {
	t.Helper()
	return startRelay(t, func(client net.Conn) { l.serve(client, server) })
}

// Every check of the rows about calls can fail: each is played against an API that
// has the defect it is there for. All of them pass when there is none.
func TestCallDefectsAreFound(t *testing.T) {
	t.Parallel()
	r := startRoost(t, buildRoost(t), "", "serve", pushFlags("--config", otherFile(t))...)
	var all []planted
	for _, d := range callDefects {
		all = append(all, planted{d.defect, d.id, d.id, startLax(t, r.addr, d.lax)})
	}
	areFound(t, all, Options{Push: &Push{App: testApp, Other: otherApp}, Delay: stall}, startLax(t, r.addr, lax{}))
}

// Row R14: a server that shows its clients what is for operators, and one that has
// nothing to show them, so that its 404 means nothing.
func TestOperatorDefectsAreFound(t *testing.T) {
	t.Parallel()
	r := startRoost(t, buildRoost(t), "", "serve", pushFlags()...)
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/metrics":
			fmt.Fprintln(w, goroutinesFigure, 20)
		case r.URL.Path != "/debug/pprof/heap" || r.URL.RawQuery == "":
			http.NotFound(w, r)
		}
	}))
	defer admin.Close()
	for _, c := range []struct {
		defect string
		lax    lax
		ids    string
	}{
		{"shows everything to everybody", lax{response: func(r *http.Response) { r.Status = "200 OK" }}, "^R14/clients"},
		{"shows nothing to nobody", lax{}, "^R14/clients/debug/pprof/(heap|cmdline|)$"},
	} {
		o := Options{
			URL: startLax(t, r.addr, c.lax), Admin: admin.URL, Push: &Push{App: testApp}, Timeout: 10 * time.Second, Delay: stall, Run: regexp.MustCompile(c.ids),
		}
		cases, err := List(o)
		if err != nil {
			t.Fatal(err)
		}
		s, err := begun(t, o)
		if err != nil {
			t.Fatal(err)
		}
		if len(cases) < 3 || len(s.Failed) != len(cases) {
			t.Errorf("%s: %d of %d cases noticed it: %v", c.defect, len(s.Failed), len(cases), s.Failed)
		}
		for _, one := range cases {
			noticed(t, c.defect, regexp.MustCompile("^"+regexp.QuoteMeta(one.ID)+"$"), s)
		}
	}
}
