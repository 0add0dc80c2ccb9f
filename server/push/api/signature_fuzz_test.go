package api

import (
	"maps"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// Whatever is changed of what was signed, the call is refused. Only the order of
// the parameters, their escapes and the case of their names are not signed.
func FuzzSignature(f *testing.F) {
	whole := goodQuery + "&auth_signature=" + goodSignature + "\n" + goodBody
	for at := range len(whole) {
		f.Add(at, byte(1<<(at%8)), "")
	}
	f.Add(0, byte(0), "&auth_key=x")
	f.Add(20, byte(0), "%00")
	f.Add(strings.IndexByte(whole, '&'), byte(0), "&")
	h := newHandler(f)
	f.Fuzz(func(t *testing.T, at int, flip byte, insert string) {
		if at < 0 {
			return
		}
		b := []byte(whole)
		at %= len(b)
		b[at] ^= flip
		changed := string(b[:at]) + insert + string(b[at:])
		query, body, _ := strings.Cut(changed, "\n")
		target, err := url.Parse("/apps/3/events")
		if err != nil {
			t.Fatal(err)
		}
		target.RawQuery = query
		r := httptest.NewRequest("POST", "/apps/3/events", strings.NewReader(body))
		r.URL = target
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if same := body == goodBody && maps.Equal(signedParams(query), signedParams(goodQuery+"&auth_signature="+goodSignature)); (w.Code == 200) != same {
			t.Errorf("%q with %q: %d %s; signed alike: %v", query, body, w.Code, w.Body, same)
		}
	})
}

// signedParams is what of a query is signed; nil when it cannot be read.
func signedParams(query string) map[string]string {
	all, err := url.ParseQuery(query)
	if err != nil {
		return nil
	}
	signed := make(map[string]string)
	for name, values := range all {
		name = strings.ToLower(name)
		if _, twice := signed[name]; twice || len(values) != 1 {
			return nil
		}
		signed[name] = values[0]
	}
	return signed
}
