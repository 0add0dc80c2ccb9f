package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// askLetters calls the admin address about dead letters.
func askLetters(t *testing.T, p *program, method, path, body string, header ...string) (status int, answer map[string]any) {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+p.admin+"/webhooks/dead-letters"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if r.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	status, text := answered(t, r)
	if status == http.StatusOK {
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	return status, answer
}

// givenUp starts a server whose webhooks to url are given up after one attempt,
// with n of them given up.
func givenUp(t *testing.T, url string, n int, args ...string) *program {
	t.Helper()
	path := write(t, "roost.toml", "[webhooks]\nallow_networks = [\"127.0.0.0/8\"]\nlimits.attempts = 1\n"+
		appText("1", "one")+fmt.Sprintf("[[apps.webhooks]]\nurl = %q\nevents = [\"channel_occupied\"]\n", url))
	p := start(t, nil, append([]string{"serve", "--config", path, "--listen", "127.0.0.1:0", "--drain", "1s"}, args...)...)
	p.admin = "127.0.0.1" + p.admin[strings.LastIndex(p.admin, ":"):]
	c := dialApp(t, p, "one")
	c.hears()
	for i := range n {
		c.says(fmt.Sprintf(`{"event":"pusher:subscribe","data":{"channel":"c%d"}}`, i))
	}
	return p
}

// awaitLetters waits until so many are there and returns the page that is asked for.
func awaitLetters(t *testing.T, p *program, n int, query string) []any {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		status, answer := askLetters(t, p, "GET", query, "")
		if status == 200 && answer["total"] == float64(n) {
			return answer["dead_letters"].([]any)
		}
		if time.Since(begin) > patience {
			t.Fatalf("%d, %v, want %d dead letters", status, answer, n)
		}
	}
}

// Operators see webhooks that were given up, page by page, and have some or all
// of them tried again or thrown away.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	url, refused := receiver(t, http.StatusServiceUnavailable)
	p := givenUp(t, url, 3, "--admin", "127.0.0.1:0")
	all := awaitLetters(t, p, 3, "")
	var ids []string
	for i, one := range all {
		letter := one.(map[string]any)
		body, _ := json.Marshal(letter["body"])
		if letter["app"] != "1" || letter["url"] != url || letter["attempts"] != 1.0 || letter["reason"] != "the answer was 503 Service Unavailable" ||
			!bytes.Contains(body, []byte(`"channel_occupied"`)) || letter["died"].(string) < letter["created"].(string) {
			t.Errorf("letter %d: %v", i, letter)
		}
		ids = append(ids, fmt.Sprint(letter["id"]))
	}
	for query, want := range map[string]int{"?limit=2": 2, "?skip=2": 1, "?skip=1&limit=1": 1, "?skip=9": 0, "?limit=1000000000": 3, "?limit=0": 0} {
		if got := awaitLetters(t, p, 3, query); len(got) != want || want == 1 && fmt.Sprint(got[0].(map[string]any)["id"]) == ids[0] {
			t.Errorf("%s: %v", query, got)
		}
	}

	before := len(refused.all())
	if status, answer := askLetters(t, p, "POST", "/requeue", `{"ids": [`+ids[1]+`, 999]}`); status != 200 || answer["requeued"] != 1.0 {
		t.Errorf("requeued: %d %v", status, answer)
	}
	refused.await(t, "another attempt", func(string) bool { return len(refused.all()) > before })
	awaitLetters(t, p, 3, "")
	if status, answer := askLetters(t, p, "POST", "/discard", `{"ids": [`+ids[0]+`]}`); status != 200 || answer["discarded"] != 1.0 || answer["total"] != 2.0 {
		t.Errorf("discarded: %d %v", status, answer)
	}
	if status, answer := askLetters(t, p, "POST", "/discard", `{"all": true}`); status != 200 || answer["discarded"] != 2.0 || answer["total"] != 0.0 {
		t.Errorf("all discarded: %d %v", status, answer)
	}
	for _, call := range []struct{ method, path, body string }{
		{"POST", "/discard", `{}`}, {"POST", "/discard", ``}, {"POST", "/discard", `{"all": true, "ids": [1]}`}, {"POST", "/requeue", `{"ids": [-1]}`},
		{"POST", "/discard", `{"ids": [` + strings.Repeat("1,", letterCallBytes/2) + `1]}`}, {"GET", "?limit=-1", ""}, {"GET", "?skip=x", ""},
	} {
		if status, _ := askLetters(t, p, call.method, call.path, call.body); status != 400 {
			t.Errorf("%s %s %.40s: %d, want 400", call.method, call.path, call.body, status)
		}
	}
	for _, method := range []string{"GET", "PUT"} {
		if status, _ := askLetters(t, p, method, "/discard", ""); status != 405 {
			t.Errorf("%s /discard: %d, want 405", method, status)
		}
	}
}

// Dead letters are for operators: neither for pages that point their name at the
// admin address, nor for those of other sites, nor for strangers.
func TestDeadLettersAreGuarded(t *testing.T) {
	t.Parallel()
	url, _ := receiver(t, http.StatusServiceUnavailable)
	p := givenUp(t, url, 1, "--admin", "127.0.0.1:0")
	awaitLetters(t, p, 1, "")
	for _, header := range [][]string{
		{"Host", "evil.example:80"}, {"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"},
	} {
		if status, _ := askLetters(t, p, "POST", "/discard", `{"all": true}`, header...); status != 403 {
			t.Errorf("with %v: %d, want 403", header, status)
		}
	}
	if status, _ := askLetters(t, p, "GET", "", "", "Host", "evil.example"); status != 403 {
		t.Errorf("another name: %d, want 403", status)
	}
	awaitLetters(t, p, 1, "")

	open := givenUp(t, url, 0, "--admin", "0.0.0.0:0")
	for method, path := range map[string]string{"GET": "", "POST": "/discard"} {
		if status, _ := askLetters(t, open, method, path, `{"all": true}`); status != 403 {
			t.Errorf("%s by strangers: %d, want 403", method, status)
		}
	}
}
