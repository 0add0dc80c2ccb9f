package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/roost-ws/roost/server/push"
)

// caller runs commands against a server as one app.
type caller struct {
	t   *testing.T
	env []string
}

func callerOf(t *testing.T, p *program) *caller {
	return &caller{t, []string{
		"ROOST_HOST=" + p.addr, "ROOST_APP_ID=" + appID, "ROOST_APP_KEY=" + appKey, "ROOST_APP_SECRET=" + appSecret,
	}}
}

// says runs a command that must work and returns what it printed.
func (c *caller) says(args ...string) string {
	c.t.Helper()
	got := command(c.t, c.env, args...)
	if got.code != exitOK {
		c.t.Fatalf("roost %s: exit code %d: %s", strings.Join(args, " "), got.code, got.stderr)
	}
	return got.stdout
}

// socketID reads the first message that a client gets.
func (c *pushClient) socketID() string {
	c.t.Helper()
	message := c.hears()
	_, rest, _ := strings.Cut(message, `\"socket_id\":\"`)
	id, _, ok := strings.Cut(rest, `\"`)
	if !ok {
		c.t.Fatalf("no socket id in %s", message)
	}
	return id
}

// join subscribes with what roost sign --json answers in place of a backend.
func (c *pushClient) join(signed, channel string) {
	c.t.Helper()
	var data map[string]string
	if err := json.Unmarshal([]byte(signed), &data); err != nil {
		c.t.Fatal(err)
	}
	data["channel"] = channel
	text, err := json.Marshal(map[string]any{"event": "pusher:subscribe", "data": data})
	if err != nil {
		c.t.Fatal(err)
	}
	if got := c.says(string(text)); !strings.Contains(got, "subscription_succeeded") {
		c.t.Fatalf("subscribing to %s: %s", channel, got)
	}
}

// Everything the commands do, on a server with two clients.
func TestCalls(t *testing.T) {
	p := startServe(t)
	roost := callerOf(t, p)
	ann, bob := dialApp(t, p, appKey), dialApp(t, p, appKey)
	annID, bobID := ann.socketID(), bob.socketID()
	ann.join(roost.says("sign", annID, "presence-room", "--data", `{"user_id":"ann"}`, "--json"), "presence-room")
	bob.join(roost.says("sign", bobID, "private-b", "--json"), "private-b")

	if got := roost.says("users", "presence-room"); got != "ann\n" {
		t.Errorf("users: %q", got)
	}
	if got := roost.says("users", "presence-room", "--json"); got != `{"users":[{"id":"ann"}]}`+"\n" {
		t.Errorf("users --json: %q", got)
	}
	if got := strings.Fields(roost.says("channels")); fmt.Sprint(got) != "[CHANNEL SUBSCRIPTIONS USERS presence-room 1 - private-b 1 -]" {
		t.Errorf("channels: %v", got)
	}
	if got := strings.Fields(roost.says("channels", "--prefix", "presence-")); fmt.Sprint(got[3:]) != "[presence-room 1 1]" {
		t.Errorf("channels --prefix presence-: %v", got)
	}
	if got := strings.Fields(roost.says("channels", "presence-room")); fmt.Sprint(got) != "[channel presence-room subscriptions 1 users 1]" {
		t.Errorf("channels presence-room: %v", got)
	}

	said := roost.says("publish", "private-b", "greeting", `{"text":"héllo"}`, "--also", "presence-room")
	if said != "published greeting to private-b: 1 subscriber\npublished greeting to presence-room: 1 subscriber\n" {
		t.Errorf("publish said %q", said)
	}
	if got := bob.hears(); !strings.Contains(got, `"greeting"`) || !strings.Contains(got, `{\"text\":\"héllo\"}`) {
		t.Errorf("bob heard %s", got)
	}
	ann.hears()
	roost.says("publish", "presence-room", "hidden", "--exclude", annID)
	roost.says("publish", "presence-room", "shown")
	if got := ann.hears(); !strings.Contains(got, `"shown"`) {
		t.Errorf("ann heard %s, she was excluded from what came before shown", got)
	}

	var signin struct {
		Auth string `json:"auth"`
		User string `json:"user_data"`
	}
	if err := json.Unmarshal([]byte(roost.says("sign", bobID, "--data", `{"id":"bob/1"}`, "--json")), &signin); err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(map[string]any{"event": "pusher:signin", "data": signin})
	if got := bob.says(string(text)); !strings.Contains(got, "signin_success") {
		t.Fatalf("signing in: %s", got)
	}
	bob.join(`{"auth":""}`, "#server-to-user-bob/1")
	if got := roost.says("publish", "#server-to-user-bob/1", "direct", "plain text"); got != "published direct to #server-to-user-bob/1\n" {
		t.Errorf("publish to a user said %q", got)
	}
	if got := bob.hears(); !strings.Contains(got, `"plain text"`) {
		t.Errorf("bob heard %s", got)
	}
	roost.says("terminate", "bob/1")
	var err error
	for err == nil {
		_, _, err = bob.conn.ReadMessage()
	}
	if !gorilla.IsCloseError(err, 4009) {
		t.Errorf("the terminated user saw %v, want Close 4009", err)
	}
}

// Clients talk to each other where the app's configuration lets them, and not elsewhere.
func TestClientEventsFlag(t *testing.T) {
	for flag, want := range map[string]string{"--app-client-events=true": `"client-hello"`, "--app-client-events=false": `pusher:error`} {
		p := startServe(t, flag)
		roost := callerOf(t, p)
		ann, bob := dialApp(t, p, appKey), dialApp(t, p, appKey)
		for _, c := range []*pushClient{ann, bob} {
			c.join(roost.says("sign", c.socketID(), "private-b", "--json"), "private-b")
		}
		hears := bob.hears
		if want == "pusher:error" {
			hears = ann.hears
		}
		if err := ann.conn.WriteMessage(gorilla.TextMessage, []byte(`{"event":"client-hello","channel":"private-b","data":{}}`)); err != nil {
			t.Fatal(err)
		}
		if got := hears(); !strings.Contains(got, want) {
			t.Errorf("with %s: heard %s, want %s", flag, got, want)
		}
	}
}

// Data may come from stdin, and a cache channel shows what it keeps.
func TestPublishFromStdin(t *testing.T) {
	p := startServe(t)
	roost := callerOf(t, p)
	if got := commandWith(t, strings.NewReader("from stdin\n"), roost.env, "publish", "cache-c", "e", "-"); got.code != exitOK {
		t.Fatalf("publish: %+v", got)
	}
	var reply struct {
		Cache struct {
			Data string
			TTL  int
		}
	}
	if err := json.Unmarshal([]byte(roost.says("channels", "cache-c", "--json")), &reply); err != nil || reply.Cache.Data != "from stdin" {
		t.Errorf("the channel keeps %+v (%v)", reply.Cache, err)
	}
	if got := roost.says("channels", "cache-c"); !strings.Contains(got, "from stdin") {
		t.Errorf("channels cache-c: %s", got)
	}
}

// How calls fail: with codes that scripts can tell apart and a sentence for people.
func TestCallsFail(t *testing.T) {
	p := startServe(t)
	env := callerOf(t, p).env
	twoApps := "ROOST_CONFIG=" + write(t, "roost.toml", appText("1", "k")+appText("2", "l"))
	for _, row := range []struct {
		name string
		env  []string // on top of what works
		args string
		code int
		want string
	}{
		{"wrong secret", []string{"ROOST_APP_SECRET=wrong"}, "channels", exitRefused, "401"},
		{"unknown app", []string{"ROOST_APP_ID=1"}, "channels", exitRefused, "404"},
		{"not presence", nil, "users news", exitRefused, "presence channels only"},
		{"channel's name", nil, "publish a/b e", exitRefused, "400"},
		{"nobody there", []string{"ROOST_HOST=127.0.0.1:1"}, "channels", exitUnreachable, "no answer from http://127.0.0.1:1: dial tcp"},
		{"no app", []string{"ROOST_APP_ID=", "ROOST_APP_KEY=", "ROOST_APP_SECRET="}, "channels", exitUsage, "which app?"},
		{"which of two", []string{"ROOST_APP_ID=", twoApps}, "channels", exitUsage, "--app-id 1|2"},
		{"not in the file", []string{"ROOST_APP_ID=3", "ROOST_APP_KEY=", twoApps}, "channels", exitUsage, "no app 3"},
		{"no server", []string{"ROOST_HOST=http://h/path"}, "channels", exitUsage, "is no server"},
		{"socket id", nil, "sign 12 private-x", exitUsage, "no socket id"},
		{"sign what", nil, "sign 1.2", exitUsage, "--data"},
		{"presence without data", nil, "sign 1.2 presence-x", exitUsage, "user_id"},
		{"data that is none", nil, "sign 1.2 presence-x --data {", exitUsage, "not JSON"},
		{"token for nothing", nil, "token", exitUsage, "--user"},
	} {
		got := command(t, append(env[:len(env):len(env)], row.env...), strings.Fields(row.args)...)
		if got.code != row.code || !strings.Contains(got.stderr, row.want) || got.stdout != "" {
			t.Errorf("%s: exit code %d and %q, want %d and %q", row.name, got.code, got.stderr, row.code, row.want)
		}
		if strings.Contains(got.stderr, "auth_signature=") {
			t.Errorf("%s: the message shows a signature: %s", row.name, got.stderr)
		}
	}
}

// On the server's own machine its file and its socket are all it takes.
func TestCallsByFile(t *testing.T) {
	dir := t.TempDir()
	path, socket := filepath.Join(dir, "roost.toml"), filepath.Join(dir, "roost.sock")
	if err := os.WriteFile(path, []byte(appText("1", "one")+appText("2", "two")), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, nil, "serve", "--config", path, "--listen", "unix:"+socket, "--admin", "off", "--drain", "1s")
	got := command(t, nil, "publish", "news", "e", "--config", path, "--app-id", "2", "--host", "unix:"+socket)
	if got.code != exitOK || got.stdout != "published e to news: 0 subscribers\n" {
		t.Errorf("publish: %+v", got)
	}
}

// The test vectors of the Pusher protocol.
func TestSignVectors(t *testing.T) {
	env := []string{"ROOST_APP_ID=3", "ROOST_APP_KEY=278d425bdf160c739803", "ROOST_APP_SECRET=7ad3773142a6692b25b8"}
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"1234.1234", "private-foobar"}, "58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"},
		{[]string{"1234.1234", "presence-foobar", "--data", `{"user_id":10,"user_info":{"name":"Mr. Channels"}}`}, "31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80"},
		{[]string{"1234.1234", "--data", `{"id":"12345"}`}, "4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba"},
	} {
		got := command(t, env, append([]string{"sign"}, row.args...)...)
		if got.stdout != "278d425bdf160c739803:"+row.want+"\n" {
			t.Errorf("sign %v: %+v, want %s", row.args, got, row.want)
		}
	}
	app := push.App{ID: "3", Key: "278d425bdf160c739803", Secret: "7ad3773142a6692b25b8"}
	body := `{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}`
	query := signedQuery(app, "POST", "/apps/3/events", nil, []byte(body), time.Unix(1353088179, 0))
	if !strings.Contains(query, "auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c") {
		t.Errorf("the call of the vector is signed %s", query)
	}
}

// RFC 7515, 3.1 and A.1: three parts in base64url, the last signs the first two.
func TestToken(t *testing.T) {
	env := []string{"ROOST_APP_ID=3", "ROOST_APP_KEY=key", "ROOST_APP_SECRET=secret"}
	got := command(t, env, "token", "--user", "5", "--subscribe", "private-a,b", "--subscribe", "presence-*", "--ttl", "10m")
	parts := strings.Split(strings.TrimSpace(got.stdout), ".")
	if len(parts) != 3 {
		t.Fatalf("token: %+v", got)
	}
	if want := base64.RawURLEncoding.EncodeToString(digest("secret", parts[0]+"."+parts[1])); parts[2] != want {
		t.Errorf("the signature is %s, want %s", parts[2], want)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var said claims
	if err != nil || json.Unmarshal(payload, &said) != nil {
		t.Fatalf("payload %q: %v", payload, err)
	}
	if said.User != "5" || fmt.Sprint(said.Subscribe) != "[private-a,b presence-*]" || said.Expires-said.IssuedAt != 600 || said.Issuer != "key" {
		t.Errorf("the token says %+v", said)
	}
}

// The script for bash completes commands, flags and the values of flags.
func TestCompletion(t *testing.T) {
	bash := require(t, "bash")
	for words, want := range map[string]string{
		"roost se":                       "serve",
		"roost publish --ex":             "--exclude",
		"roost serve --log-format j":     "json",
		"roost --log-format json check":  "checkconfig",
		"roost completion z":             "zsh",
		"roost serve --listen 127.0.0.1": "",
	} {
		script := command(t, nil, "completion", "bash").stdout + `
COMP_WORDS=(` + words + `); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _roost; echo "${COMPREPLY[*]}"`
		cmd := exec.Command(bash, "-c", script)
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
		out, err := cmd.Output()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s<TAB> became %q (%v), want %q", words, out, err, want)
		}
	}
	for _, shell := range []string{"zsh", "fish"} {
		if got := command(t, nil, "completion", shell); !strings.Contains(got.stdout, completeCommand) {
			t.Errorf("completion %s: %+v", shell, got)
		}
	}
}
