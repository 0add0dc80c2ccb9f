package api

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/roost-ws/roost/server/push"
)

// The app of the published vectors, at the time they were made.
var (
	app  = push.App{ID: "3", Key: "278d425bdf160c739803", Secret: "7ad3773142a6692b25b8"}
	then = time.Unix(1353088179, 0)
)

const (
	goodBody      = `{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}`
	goodMD5       = "ec365a775a4cd0599faeb73354201b6f"
	goodSignature = "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
	goodQuery     = "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0&body_md5=" + goodMD5
)

func newHandler(t testing.TB, apps ...push.App) *Handler {
	t.Helper()
	hub, err := push.New(push.Config{Apps: append(apps, app)})
	if err != nil {
		t.Fatal(err)
	}
	h := New(hub)
	h.now = func() time.Time { return then }
	return h
}

// do sends a request as it stands.
func do(h http.Handler, method, target, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
	return w
}

// post signs an event like an SDK and sends it.
func post(h http.Handler, body string) *httptest.ResponseRecorder {
	return do(h, "POST", signed("POST", "/apps/3/events", body, nil), body)
}

// signed builds the target of a call by an algorithm of its own.
func signed(method, path, body string, change map[string]string) string {
	sum := md5.Sum([]byte(body))
	params := map[string]string{"auth_key": app.Key, "auth_timestamp": fmt.Sprint(then.Unix()), "auth_version": "1.0", "body_md5": hex.EncodeToString(sum[:])}
	for k, v := range change {
		params[k] = v
		if v == "" {
			delete(params, k)
		}
	}
	var plain, escaped []string
	for k, v := range params {
		plain = append(plain, strings.ToLower(k)+"="+v)
		escaped = append(escaped, k+"="+url.QueryEscape(v))
	}
	sort.Strings(plain)
	mac := hmac.New(sha256.New, []byte(app.Secret))
	io.WriteString(mac, method+"\n"+path+"\n"+strings.Join(plain, "&"))
	return path + "?" + strings.Join(escaped, "&") + "&auth_signature=" + hex.EncodeToString(mac.Sum(nil))
}

func expect(t *testing.T, what string, w *httptest.ResponseRecorder, status int) {
	t.Helper()
	if w.Code != status {
		t.Errorf("%s: %d %s, want %d", what, w.Code, w.Body, status)
	}
	wantType := "text/plain; charset=utf-8"
	if status == 200 {
		wantType = "application/json"
	}
	if got := w.Header().Get("Content-Type"); got != wantType {
		t.Errorf("%s: content type %q, want %q", what, got, wantType)
	}
	if w.Body.Len() == 0 {
		t.Errorf("%s: an answer without a word", what)
	}
}

// 1.11: the published vector, and the reply that SDKs compare byte for byte.
func TestSignatureVector(t *testing.T) {
	w := do(newHandler(t), "POST", "/apps/3/events?"+goodQuery+"&auth_signature="+goodSignature, goodBody)
	expect(t, "vector", w, 200)
	if w.Body.String() != "{}" {
		t.Errorf("reply %q, want {}", w.Body)
	}
}

// Rows A3, A4: whatever of a signed call is changed, it is refused.
func TestEveryPartIsSigned(t *testing.T) {
	h := newHandler(t, push.App{ID: "4", Key: "other", Secret: "other"})
	sig := "&auth_signature=" + goodSignature
	for _, c := range []struct {
		what, method, target, body string
		status                     int
	}{
		{"order of the query", "POST", "/apps/3/events?auth_signature=" + goodSignature + "&body_md5=" + goodMD5 + "&auth_version=1.0&auth_timestamp=1353088179&auth_key=" + app.Key, goodBody, 200},
		{"names in capitals", "POST", "/apps/3/events?" + strings.Replace(goodQuery, "auth_key", "AUTH_KEY", 1) + sig, goodBody, 200},
		{"escaped query", "POST", "/apps/3/events?" + strings.Replace(goodQuery, "1.0", "1%2E0", 1) + sig, goodBody, 200},
		{"body", "POST", "/apps/3/events?" + goodQuery + sig, strings.Replace(goodBody, "foo", "fop", 1), 401},
		{"body with a space more", "POST", "/apps/3/events?" + goodQuery + sig, goodBody + " ", 401},
		{"no body", "POST", "/apps/3/events?" + goodQuery + sig, "", 401},
		{"parameter added", "POST", "/apps/3/events?" + goodQuery + "&x=1" + sig, goodBody, 401},
		{"parameter removed", "POST", "/apps/3/events?" + strings.Replace(goodQuery, "&body_md5="+goodMD5, "", 1) + sig, goodBody, 401},
		{"parameter twice", "POST", "/apps/3/events?" + goodQuery + "&auth_key=" + app.Key + sig, goodBody, 400},
		{"parameter twice, other case", "POST", "/apps/3/events?" + goodQuery + "&AUTH_KEY=x" + sig, goodBody, 400},
		{"signature twice", "POST", "/apps/3/events?" + goodQuery + sig + sig, goodBody, 400},
		{"signature cut", "POST", "/apps/3/events?" + goodQuery + sig[:len(sig)-1], goodBody, 401},
		{"signature in capitals", "POST", "/apps/3/events?" + goodQuery + "&auth_signature=" + strings.ToUpper(goodSignature), goodBody, 401},
		{"no signature", "POST", "/apps/3/events?" + goodQuery, goodBody, 401},
		{"empty signature", "POST", "/apps/3/events?" + goodQuery + "&auth_signature=", goodBody, 401},
		{"no query", "POST", "/apps/3/events", goodBody, 401},
		{"bad escape", "POST", "/apps/3/events?" + goodQuery + "&x=%zz" + sig, goodBody, 400},
		{"timestamp", "POST", "/apps/3/events?" + strings.Replace(goodQuery, "1353088179", "1353088178", 1) + sig, goodBody, 401},
		{"other app", "POST", "/apps/4/events?" + goodQuery + sig, goodBody, 401},
	} {
		expect(t, c.what, do(h, c.method, c.target, c.body), c.status)
	}
	// What is signed right and yet not acceptable.
	expect(t, "signed", do(h, "POST", signed("POST", "/apps/3/events", goodBody, nil), goodBody), 200)
	expect(t, "other method signed", do(h, "POST", signed("GET", "/apps/3/events", goodBody, nil), goodBody), 401)
	expect(t, "digest not signed", do(h, "POST", signed("POST", "/apps/3/events", goodBody, map[string]string{"body_md5": ""}), goodBody), 401)
	expect(t, "version 2", do(h, "POST", signed("POST", "/apps/3/events", goodBody, map[string]string{"auth_version": "2.0"}), goodBody), 401)
	expect(t, "key of another app", do(h, "POST", signed("POST", "/apps/3/events", goodBody, map[string]string{"auth_key": "other"}), goodBody), 401)
	expect(t, "more parameters", do(h, "POST", signed("POST", "/apps/3/events", goodBody, map[string]string{"info": "a,b", "x": "ö &=+%"}), goodBody), 200)
}

// Rows A2, M7: the window is ten minutes either way, exactly.
func TestTimestampWindow(t *testing.T) {
	h := newHandler(t)
	now := then.Unix()
	for timestamp, status := range map[string]int{
		fmt.Sprint(now - 600): 200, fmt.Sprint(now - 601): 401, fmt.Sprint(now + 600): 200, fmt.Sprint(now + 601): 401,
		"1e9": 401, "-1": 401, "+1353088179": 401, "0x50a68673": 401, "9223372036854775808": 401, "18446744073709551616": 401, "1353088179.5": 401, " 1353088179": 401, "0": 401,
	} {
		target := signed("POST", "/apps/3/events", goodBody, map[string]string{"auth_timestamp": timestamp})
		expect(t, "timestamp "+timestamp, do(h, "POST", target, goodBody), status)
	}
}

// Row A12: a path is one path.
func TestRoutes(t *testing.T) {
	off := push.App{ID: "5", Key: "off", Secret: "s", Disabled: true}
	h := newHandler(t, off)
	for target, status := range map[string]int{
		"/apps/3/events/": 404, "/apps/3//events": 404, "/apps//3/events": 404, "/apps/3%2Fevents": 404, "/apps/3/%65vents": 404, "/apps/3/": 404, "/apps/3": 404, "/apps/": 404,
		"/apps/3/Events": 404, "/apps/3/events/x": 404, "/apps/9/events": 404, "/apps/5/events": 403, "/apps/3/../3/events": 404,
	} {
		expect(t, target, do(h, "POST", target, goodBody), status)
	}
	expect(t, "GET", do(h, "GET", "/apps/3/events", ""), 405)
	for _, target := range []string{"/", "/apps", "/x/apps/3/events"} {
		if w := do(h, "GET", target, ""); w.Code != 404 {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	h.Fallback = http.RedirectHandler("/elsewhere", http.StatusSeeOther)
	if w := do(h, "GET", "/", ""); w.Code != http.StatusSeeOther {
		t.Errorf("the fallback was not asked: %d", w.Code)
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, path, names string
		ok                   bool
	}{
		{"events", "events", "", true}, {"channels/*", "channels/a%2Fb", "a/b", true}, {"channels/*/users", "channels/x/users", "x", true},
		{"channels/*", "channels/", "", false}, {"channels/*", "channels", "", false}, {"channels/*", "channels/x/users", "", false}, {"channels/*/users", "channels/*/user", "", false},
	} {
		names, ok := match(c.pattern, c.path)
		if ok != c.ok || ok && strings.Join(names, ",") != c.names {
			t.Errorf("%s on %s: %q, %v", c.pattern, c.path, names, ok)
		}
	}
}

// 1.12: a prefix that a proxy leaves in place, or takes away, and that SDKs sign
// (those that are given a path) or do not (pusher-php-server's path, a host with a
// path in others).
func TestPathPrefix(t *testing.T) {
	h := newHandler(t)
	h.Fallback = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) })
	const events = "/apps/3/events"
	bare, whole := signed("POST", events, goodBody, nil), signed("POST", "/pusher"+events, goodBody, nil)
	expect(t, "no prefix is set", do(h, "POST", strings.TrimPrefix(whole, "/pusher"), goodBody), 401)
	if got := do(h, "POST", whole, goodBody).Body.String(); got != "/pusher"+events {
		t.Errorf("with no prefix set the API answered %q below one", got)
	}
	h.PathPrefix = "/pusher"
	expect(t, "left, signed", do(h, "POST", whole, goodBody), 200)
	expect(t, "left, not signed", do(h, "POST", "/pusher"+bare, goodBody), 200)
	expect(t, "taken away, signed", do(h, "POST", strings.TrimPrefix(whole, "/pusher"), goodBody), 200)
	expect(t, "taken away, not signed", do(h, "POST", bare, goodBody), 200)
	expect(t, "another prefix signed", do(h, "POST", "/pusher"+strings.TrimPrefix(signed("POST", "/other"+events, goodBody, nil), "/other"), goodBody), 401)
	for target, want := range map[string]string{"/pusher/": "/", "/pusher/x": "/x", "/x": "/x", "/pushers/x": "/pushers/x", "/other" + events: "/other" + events, "/pusher/pusher/x": "/pusher/x"} {
		if got := do(h, "GET", target, "").Body.String(); got != want {
			t.Errorf("%s reached the fallback as %q, want %q", target, got, want)
		}
	}
}

// Rows A7, A8: what is no event is refused with a sentence, whatever it is.
func TestBodies(t *testing.T) {
	h := newHandler(t)
	channels := func(n int) string {
		var names []string
		for i := range n {
			names = append(names, fmt.Sprintf("%q", strings.Repeat("x", 197)+fmt.Sprintf("%03d", i)))
		}
		return "[" + strings.Join(names, ",") + "]"
	}
	for _, c := range []struct {
		body   string
		status int
	}{
		{goodBody, 200},
		{`{"name":"e","channel":"c","data":"x"}`, 200},
		{`{"name":"e","channel":"c","data":{"a":[1]}}`, 200},
		{`{"name":"e","channel":"c","data":"x","socket_id":"1.2","more":{}}`, 200},
		{`{"name":"e","channel":"c","data":"x","socket_id":null,"info":null}`, 200},
		{`{"name":"e","channels":` + channels(100) + `,"data":"` + strings.Repeat(`\u0022`, 10240) + `"}`, 200},
		{`{"name":"e","channels":` + channels(101) + `,"data":"x"}`, 400},
		{`{"name":"` + strings.Repeat("e", 200) + `","channel":"c","data":"x"}`, 200},
		{`{"name":"` + strings.Repeat("e", 201) + `","channel":"c","data":"x"}`, 400},
		{`{"name":"e","channel":"c","data":"` + strings.Repeat("x", 10240) + `"}`, 200},
		{`{"name":"e","channel":"c","data":"` + strings.Repeat("x", 10241) + `"}`, 413},
		{`{"name":"e","channel":"c","data":"` + strings.Repeat("x", 200_000) + `"}`, 413},
		{`{"name":"e","channel":"` + strings.Repeat("c", 201) + `","data":"x"}`, 400},
		{`{"name":"e","channel":"c\n","data":"x"}`, 400},
		{`{"name":"e","channel":"c:d","data":"x"}`, 400},
		{`{"name":"e","channel":"","data":"x"}`, 400},
		{`{"name":"e","channels":[],"data":"x"}`, 400},
		{`{"name":"e","channels":"c","data":"x"}`, 400},
		{`{"name":"e","channels":["c",1],"data":"x"}`, 400},
		{`{"name":"e","channels":["c"],"channel":"c","data":"x"}`, 400},
		{`{"name":"e","channels":null,"data":"x"}`, 400},
		{`{"name":"e","data":"x"}`, 400},
		{`{"channel":"c","data":"x"}`, 400},
		{`{"name":null,"channel":"c","data":"x"}`, 400},
		{`{"name":"","channel":"c","data":"x"}`, 400},
		{`{"name":"e","channel":"c"}`, 400},
		{`{"name":"pusher:e","channel":"c","data":"x"}`, 400},
		{`{"name":"e","name":"f","channel":"c","data":"x"}`, 400},
		{`{"name":"e","channel":"c","data":"x","socket_id":"1.2:private-x"}`, 400},
		{`{"name":"e","channel":"c","data":"x","socket_id":""}`, 400},
		{`{"name":"e","channel":"c","data":"x","socket_id":1.2}`, 400},
		{`{"name":"e","channel":"c","data":"x","info":"subscription_count, user_count,cache"}`, 200},
		{`{"name":"e","channel":"c","data":"x","info":""}`, 200},
		{`{"name":"e","channel":"c","data":"x","info":"subscription_count,"}`, 400},
		{`{"name":"e","channel":"c","data":"x","info":"colour"}`, 400},
		{`{"name":"e","channel":"c","data":"x","info":["user_count"]}`, 400},
		{`{"name":"e","channels":["private-encrypted-a"],"data":"x"}`, 200},
		{`{"name":"e","channels":["private-encrypted-a","b"],"data":"x"}`, 400},
		{`{"name":"e","channel":"#server-to-user-ä b\"","data":"x"}`, 200},
		{`{"name":"e","channel":"#server-to-user-` + strings.Repeat("ä", 128) + `","data":"x"}`, 200},
		{`{"name":"e","channel":"#server-to-user-` + strings.Repeat("ä", 129) + `","data":"x"}`, 400},
		{`{"name":"e","channel":"#server-to-user-","data":"x"}`, 400},
		{`{"name":"e","channel":"#other","data":"x"}`, 400},
		{``, 400}, {`null`, 400}, {`[]`, 400}, {`"x"`, 400}, {`1e999`, 400}, {`{`, 400}, {"\ufeff" + goodBody, 400}, {goodBody + "x", 400}, {"{\"name\":\"\xff\"}", 400},
		{strings.Repeat("[", 80_000), 400}, {`{"name":"e","channel":"c","data":"\ud800"}`, 200},
	} {
		expect(t, fmt.Sprintf("%.100s", c.body), post(h, c.body), c.status)
	}
}

// Row A6: too large is known before it was read, and no body is unpacked.
func TestBodyIsBounded(t *testing.T) {
	h := newHandler(t)
	target := signed("POST", "/apps/3/events", goodBody, nil)

	announced := httptest.NewRequest("POST", target, unread{t})
	announced.ContentLength = 1 << 30
	w := httptest.NewRecorder()
	h.ServeHTTP(w, announced)
	expect(t, "announced", w, 413)

	stranger := httptest.NewRequest("POST", "/apps/3/events?"+goodQuery+"&auth_signature=00", unread{t})
	w = httptest.NewRecorder()
	h.ServeHTTP(w, stranger)
	expect(t, "a stranger's", w, 401)

	endless := httptest.NewRequest("POST", target, &zeros{})
	endless.ContentLength = -1
	w = httptest.NewRecorder()
	h.ServeHTTP(w, endless)
	expect(t, "endless", w, 413)

	packed := httptest.NewRequest("POST", target, unread{t})
	packed.Header.Set("Content-Encoding", "gzip")
	w = httptest.NewRecorder()
	h.ServeHTTP(w, packed)
	expect(t, "compressed", w, 415)
}

// unread is a body that nobody should read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

// zeros is a body without an end.
type zeros struct{ n int }

func (z *zeros) Read(b []byte) (int, error) {
	if z.n += len(b); z.n > 1<<20 {
		return 0, fmt.Errorf("read %d bytes", z.n)
	}
	return len(b), nil
}

// No body makes the handler fail, and what it accepts is JSON.
func FuzzPostEvent(f *testing.F) {
	f.Add(goodBody)
	f.Add(`{"name":"e","channel":"c","data":{"a":1},"socket_id":"1.2"}`)
	f.Add(`{"name":1,"channels":[[]],"data":null,"socket_id":{}}`)
	h := newHandler(f)
	f.Add(`{"batch":[{"name":"e","channel":"cache-c","data":"x","info":"cache"},{"name":"e","channel":"c","data":null}]}`)
	f.Add(`{"batch":[[],1],"name":"e","channels":["a","a"],"data":"x","info":"user_count,subscription_count,cache"}`)
	f.Fuzz(func(t *testing.T, body string) {
		for _, w := range []*httptest.ResponseRecorder{post(h, body), callTo(h, "POST", "/apps/3/batch_events", body, nil), callTo(h, "POST", "/apps/3/channels/c/events", body, map[string]string{"name": "e"})} {
			switch w.Code {
			case 200, 202:
				if !json.Valid(w.Body.Bytes()) {
					t.Errorf("%q: %s", body, w.Body)
				}
			case 400, 413:
			default:
				t.Errorf("%q: %d %s", body, w.Code, w.Body)
			}
		}
	})
}
