package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
)

// pushClient is a connection that speaks as bare a protocol as will do.
type pushClient struct {
	t    *testing.T
	conn *gorilla.Conn
}

func dialApp(t *testing.T, p *program, key string) *pushClient {
	t.Helper()
	conn, _, err := gorilla.DefaultDialer.Dial("ws://"+p.addr+"/app/"+key+"?protocol=7", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(patience))
	return &pushClient{t, conn}
}

// says sends one message and returns the answer.
func (c *pushClient) says(message string) string {
	c.t.Helper()
	if err := c.conn.WriteMessage(gorilla.TextMessage, []byte(message)); err != nil {
		c.t.Fatal(err)
	}
	return c.hears()
}

// hears returns the next message.
func (c *pushClient) hears() string {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(patience))
	_, message, err := c.conn.ReadMessage()
	if err != nil {
		c.t.Fatal(err)
	}
	return string(message)
}

// hangUp sends SIGHUP once the file has the text, and waits for the answer in the log.
func hangUp(t *testing.T, p *program, path, text, answer string) record {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	before := len(p.log.all())
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	seen := 0
	return p.log.await(t, answer, func(r record) bool { seen++; return seen > before && strings.Contains(fmt.Sprint(r["msg"]), answer) })
}

func appText(id, key string) string {
	return fmt.Sprintf("[[apps]]\nid = %q\nkey = %q\nsecret = \"secret\"\n", id, key)
}

// SIGHUP brings other apps, and nobody is disconnected but the clients of an
// app that is gone. A file with a mistake changes nothing.
func TestReload(t *testing.T) {
	const ping, pong = `{"event":"pusher:ping","data":{}}`, "pusher:pong"
	path := write(t, "roost.toml", appText("1", "one")+appText("2", "two"))
	p := start(t, nil, "serve", "--config", path, "--listen", "127.0.0.1:0", "--admin", "off", "--drain", "1s")
	stays, goes := dialApp(t, p, "one"), dialApp(t, p, "two")
	stays.hears()
	goes.hears()

	failed := hangUp(t, p, path, appText("1", "one")+"nonsense = true\n", "not reloaded")
	if err := fmt.Sprint(failed["err"]); !strings.Contains(err, "roost.toml:5: unknown key apps.nonsense") {
		t.Errorf("a bad file was logged as %q, without the place of the mistake", err)
	}
	hangUp(t, p, path, appText("1", "one")+appText("1", "other"), "not reloaded")
	for _, app := range []string{"1 one", "2 two"} {
		id, key, _ := strings.Cut(app, " ")
		if err := publishes(p, id, key, "secret"); err != nil {
			t.Errorf("after a bad file the apps from before are not served: %v", err)
		}
	}

	hangUp(t, p, path, appText("1", "one")+appText("3", "three"), "reloaded")
	if err := publishes(p, "3", "three", "secret"); err != nil {
		t.Errorf("the new app: %v", err)
	}
	if err := publishes(p, "2", "two", "secret"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("publishing to an app that is gone: %v, want 404", err)
	}
	if got := stays.says(ping); !strings.Contains(got, pong) {
		t.Errorf("a client of an app that stays got %s, want a pong", got)
	}
	if got := goes.says(ping); !strings.Contains(got, "4001") {
		t.Errorf("a client of an app that is gone got %s, want error 4001", got)
	}

	warned := hangUp(t, p, path, "[server]\ndemo = true\n"+appText("1", "one"), "restart for the other changes")
	if warned["level"] != "WARN" {
		t.Errorf("a change that a reload cannot make was logged as %v", warned)
	}
}

// G6: a reload is refused, in one line, when the memory is not there for what the apps
// could be made to keep, unless that was said not to matter; those from before go on.
func TestReloadNeedsMemory(t *testing.T) {
	const large = "[apps.limits]\ncache = \"2GiB\"\n"
	for _, overcommit := range []bool{false, true} {
		path := write(t, "roost.toml", appText("1", "one"))
		args := []string{"serve", "--config", path, "--listen", "127.0.0.1:0", "--admin", "off", "--drain", "1s", "--max-connections", "1000"}
		if overcommit {
			args = append(args, "--overcommit")
		}
		p := start(t, []string{"GOMEMLIMIT=1200MiB"}, args...)
		answer := "not reloaded"
		if overcommit {
			answer = "reloaded"
		}
		said := hangUp(t, p, path, appText("1", "one")+appText("2", "two")+large, answer)
		if err := fmt.Sprint(said["err"]); !overcommit && (!strings.Contains(err, "GOMEMLIMIT is 1200MiB") || strings.Contains(err, "\n")) {
			t.Errorf("it is said that %q", err)
		}
		if err := publishes(p, "2", "two", "secret"); overcommit != (err == nil) {
			t.Errorf("overcommit %v: publishing to the app that needs too much: %v", overcommit, err)
		}
		if err := publishes(p, "1", "one", "secret"); err != nil {
			t.Errorf("publishing to the app that was there before: %v", err)
		}
		hangUp(t, p, path, appText("1", "one")+appText("3", "three"), "reloaded")
		if err := publishes(p, "3", "three", "secret"); err != nil {
			t.Errorf("publishing to an app that needs little: %v", err)
		}
	}
}

// G6: where the number of connections is what fits, room for new apps is made of them, and
// given back with the apps.
func TestReloadMakesRoom(t *testing.T) {
	path := write(t, "roost.toml", appText("1", "one"))
	p := start(t, []string{"GOMEMLIMIT=700MiB"}, "serve", "--config", path, "--listen", "127.0.0.1:0", "--admin", "off", "--drain", "1s")
	before := connectionsHeld(t, p)
	fewer := canHeld(t, hangUp(t, p, path, appText("1", "one")+appText("2", "two"), "reloaded"))
	if err := publishes(p, "2", "two", "secret"); err != nil || fewer >= before {
		t.Errorf("%d connections, %d with another app: %v", before, fewer, err)
	}
	if again := canHeld(t, hangUp(t, p, path, appText("1", "one"), "reloaded")); again != before {
		t.Errorf("%d connections, and %d when the other app is gone", before, again)
	}
}

// The page at / shows its app as it is now, and the first one when that is gone.
func TestReloadReachesThePage(t *testing.T) {
	path := write(t, "roost.toml", appText("1", "one")+appText("2", "two"))
	p := start(t, nil, "serve", "--config", path, "--listen", "127.0.0.1:0", "--admin", "off", "--drain", "1s")
	shows := func(id, key string) {
		t.Helper()
		status, body := get(t, "http://"+p.addr+"/")
		if status != http.StatusOK || !strings.Contains(body, fmt.Sprintf(`"app":%q`, id)) || !strings.Contains(body, fmt.Sprintf(`"key":%q`, key)) {
			t.Errorf("%d, and the page is not that of app %s with key %s", status, id, key)
		}
	}
	shows("1", "one")
	hangUp(t, p, path, appText("2", "two")+appText("1", "new"), "reloaded")
	shows("1", "new")
	hangUp(t, p, path, appText("3", "three")+appText("2", "two"), "reloaded")
	shows("3", "three")
}

// receiver is a customer's server that hears webhooks, or refuses them.
func receiver(t *testing.T, status int) (url string, heard *feed[string]) {
	t.Helper()
	heard = newFeed[string]()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte("secret"))
		mac.Write(body)
		if r.Header.Get("X-Pusher-Signature") != hex.EncodeToString(mac.Sum(nil)) {
			t.Errorf("a webhook is not signed with the app's secret: %s", body)
		}
		w.WriteHeader(status)
		heard.put(string(body))
	}))
	t.Cleanup(s.Close)
	return s.URL, heard
}

// Webhooks reach the endpoints of the file, survive a restart, and come and go
// with SIGHUP.
func TestServeWebhooks(t *testing.T) {
	t.Parallel()
	refusing, refused := receiver(t, http.StatusServiceUnavailable)
	taking, taken := receiver(t, http.StatusOK)
	occupied := func(channel string) func(string) bool {
		return func(body string) bool {
			return strings.Contains(body, `"channel_occupied"`) && strings.Contains(body, channel)
		}
	}
	const webhooks = "[webhooks]\npath = \"store.db\"\nallow_networks = [\"127.0.0.0/8\"]\nhold_back = \"2s\"\nretry_min = \"50ms\"\nretry_max = \"100ms\"\n"
	path := write(t, "roost.toml", "")
	config := func(url string) string {
		return webhooks + appText("1", "one") + fmt.Sprintf("[[apps.webhooks]]\nurl = %q\n", url)
	}
	if err := os.WriteFile(path, []byte(config(refusing)), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"serve", "--config", path, "--listen", "127.0.0.1:0", "--admin", "off", "--drain", "1s"}
	first := launch(t, nil, args...)
	up := first.log.await(t, "start-up line", func(r record) bool { return r["msg"] == "listening" })
	first.addr = fmt.Sprint(up["addr"])
	c := dialApp(t, first, "one")
	c.hears()
	c.says(`{"event":"pusher:subscribe","data":{"channel":"before"}}`)
	refused.await(t, "attempt", occupied("before"))
	first.cmd.Process.Signal(syscall.SIGTERM)
	c.conn.Close()
	if code := first.wait(); code != exitOK {
		t.Fatalf("exit code %d, want 0", code)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(path), "store.db")); err != nil {
		t.Errorf("the store is not beside the file that names it: %v", err)
	}

	tries := len(refused.all())
	second := start(t, nil, args...)
	refused.await(t, "attempt of the next process", func(string) bool { return len(refused.all()) > tries })
	// That the client left was held back when the first process ended, in case it came back.
	refused.await(t, "notice that was held back", func(body string) bool {
		return strings.Contains(body, `"channel_vacated"`) && strings.Contains(body, "before")
	})

	hangUp(t, second, path, config(taking), "reloaded")
	c = dialApp(t, second, "one")
	c.hears()
	c.says(`{"event":"pusher:subscribe","data":{"channel":"after"}}`)
	taken.await(t, "webhook of a new endpoint", occupied("after"))
}
