package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/roost-ws/roost/bench/torture"
	"github.com/roost-ws/roost/server/push"
)

var testApp = push.App{ID: appID, Key: appKey, Secret: appSecret}

// wsHead is an opening handshake for a target, with further field lines.
func wsHead(target string, fields ...string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: roost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n"
}

// bye is a client's Close frame: who has sent it is not waited for.
const bye = "\x88\x80\x00\x00\x00\x00"

// post is a signed event as it goes over the wire.
func post(event, data string) string {
	body := fmt.Sprintf(`{"name":%q,"channels":["news"],"data":%q}`, event, data)
	path := "/apps/" + appID + "/events"
	query := signedQuery(testApp, http.MethodPost, path, nil, []byte(body), time.Now())
	return fmt.Sprintf("POST %s?%s HTTP/1.1\r\nHost: roost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, query, len(body), body)
}

// raw sends bytes and returns all that comes until the server ends its side.
func raw(t *testing.T, p *program, send string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", p.addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, send); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatalf("after %q: %v", got, err)
	}
	return string(got)
}

// metricsText is what the admin address shows, without lines that are comments.
func metricsText(t *testing.T, p *program) string {
	t.Helper()
	_, text := get(t, "http://"+p.admin+"/metrics")
	return regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(text, "")
}

// Rows H14, A11: what is behind a refused upgrade is never executed, though it is
// a call with a good signature; nor is what a body hides.
func TestSmuggledCallIsNotExecuted(t *testing.T) {
	p := startServe(t)
	c := dialApp(t, p, appKey)
	c.hears()
	c.says(`{"event":"pusher:subscribe","data":{"channel":"news"}}`)
	bad := strings.Replace(wsHead("/app/"+appKey), "Version: 13", "Version: 12", 1)
	for name, send := range map[string]string{
		"behind version 12":       bad + post("smuggled", "1"),
		"behind a body":           strings.Replace(wsHead("/app/"+appKey), "\r\n\r\n", "\r\nContent-Length: 4\r\n\r\nabcd", 1) + post("smuggled", "2"),
		"behind chunks":           strings.Replace(wsHead("/app/"+appKey), "\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 1) + post("smuggled", "3"),
		"behind two lengths":      strings.Replace(post("smuggled", "4"), "Content-Length:", "Content-Length: 0\r\nContent-Length:", 1) + post("smuggled", "5"),
		"behind length and chunk": strings.Replace(post("smuggled", "6"), "Content-Length:", "Transfer-Encoding: chunked\r\nContent-Length:", 1) + post("smuggled", "7"),
	} {
		got := raw(t, p, send)
		if n := strings.Count(got, "HTTP/1.1 "); n != 1 || !strings.HasPrefix(got, "HTTP/1.1 4") || !strings.Contains(got, "Connection: close") {
			t.Errorf("%s: %d responses: %q", name, n, got)
		}
	}
	// The control: the same call by itself is served, and is the first that is heard of.
	if got := raw(t, p, strings.Replace(post("honest", "x"), "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Fatalf("the control call got %q", got)
	}
	if got := c.hears(); !strings.Contains(got, `"honest"`) {
		t.Errorf("a client heard %s first", got)
	}
}

// Row H25: an upgrade where there is no WebSocket, and a call where there is one,
// are answered, and what follows is served.
func TestWrongPlaces(t *testing.T) {
	p := startServe(t)
	p.watched(torture.Options{Push: watchedApp}, nil)
	for _, target := range []string{"/apps/" + appID + "/events", "/apps/" + appID + "/channels", "/health", "/metrics", "/", "/app", "/app/", "/app/a/b", "/apps/1/events", "/mqtt", "//app/" + appKey, "/app/%2e%2e/apps"} {
		got := raw(t, p, wsHead(target)+"\x81\x80\x00\x00\x00\x00"+bye)
		status := strings.TrimPrefix(got, "HTTP/1.1 ")
		if !strings.HasPrefix(status, "4") && !strings.Contains(got, "pusher:error") {
			t.Errorf("an upgrade of %s got %.120q", target, got)
		}
	}
	for _, send := range []string{"POST /app/" + appKey, "PUT /app/" + appKey, "DELETE /apps/" + appID + "/events"} {
		if got := raw(t, p, send+" HTTP/1.1\r\nHost: roost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 4") {
			t.Errorf("%s got %.120q", send, got)
		}
	}
	dialApp(t, p, appKey).hears()
}

// Row H29: what a refused client is told arrives, though it has sent 64 KiB that
// nobody will read.
func TestRefusalIsReadableBehindEarlyBytes(t *testing.T) {
	p := startServe(t)
	early := strings.Repeat("\x81\x85\x00\x00\x00\x00hello", 64<<10/11)
	for range 20 {
		got := raw(t, p, wsHead("/app/no-such-key?protocol=7")+early+bye)
		head, frames, _ := strings.Cut(got, "\r\n\r\n")
		if !strings.HasPrefix(head, "HTTP/1.1 101 ") || !strings.Contains(frames, "pusher:error") || !strings.Contains(frames, "4001") ||
			!strings.Contains(frames, "\x0f\xa1") { // the Close frame's code
			t.Fatalf("got %.300q", got)
		}
	}
}

// Row R14: what is for operators is not at the clients' address.
func TestClientsDoNotReachOperators(t *testing.T) {
	p := startServe(t)
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/ready", "/live", "/console/state", "/debug/vars"} {
		if status, body := get(t, "http://"+p.addr+path); status != http.StatusNotFound {
			t.Errorf("%s: %d %.80s", path, status, body)
		}
		if status, _ := get(t, "http://"+p.admin+path); status == http.StatusNotFound && path != "/debug/vars" {
			t.Errorf("the control: %s is not at the admin address either", path)
		}
	}
	help := launch(t, nil, "serve", "--help")
	if code := help.wait(); code != 0 || !regexp.MustCompile(`127\.0\.0\.1:9601`).MatchString(strings.Join(help.stdout.all(), "\n")) {
		t.Errorf("the admin address is not on loopback by default (exit code %d)", code)
	}
}

// Rows R11, U6: nothing that clients choose makes metrics grow.
func TestMetricsDoNotGrowWithInput(t *testing.T) {
	p := startServe(t)
	series := func() string {
		return regexp.MustCompile(`(?m) \S+$`).ReplaceAllString(metricsText(t, p), "")
	}
	provoke := func(i int) {
		raw(t, p, fmt.Sprintf("GET /path-%d HTTP/1.1\r\nHost: host-%d\r\nX-Field-%d: v\r\nConnection: close\r\n\r\n", i, i, i))
		raw(t, p, wsHead(fmt.Sprintf("/app/key-%d?protocol=7", i))+bye)
		raw(t, p, wsHead("/app/"+appKey, fmt.Sprintf("Origin: https://origin-%d.example", i))+bye)
		raw(t, p, fmt.Sprintf("METHOD%d / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", i))
		raw(t, p, fmt.Sprintf("GET / HTTP/%d.%d\r\n\r\n", i%10, i/10%10))
		raw(t, p, fmt.Sprintf("POST /apps/%d/events HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", i))
		code := 3000 + i
		close := string([]byte{0x88, 0x82, 0, 0, 0, 0, byte(code >> 8), byte(code)})
		raw(t, p, wsHead("/app/"+appKey+"?protocol=7", "Sec-WebSocket-Protocol: p"+fmt.Sprint(i))+close)
	}
	provoke(0)
	before := series()
	for i := range 40 {
		provoke(i + 1)
	}
	if after := series(); after != before {
		t.Errorf("metrics before:\n%s\nand after:\n%s", before, after)
	}
}

// Rows R12, U5: refusals are not logged one by one, secrets never, and what
// clients send does not reach a terminal.
func TestLogOfRefusals(t *testing.T) {
	p := startServe(t)
	const rounds, perSecond = 150, 10
	begin := time.Now()
	for i := range rounds {
		raw(t, p, wsHead("/app/"+appKey+"\x1b[31m"))
		raw(t, p, wsHead("/app/no-such-key-"+fmt.Sprint(i))+bye)
		raw(t, p, strings.NewReplacer("auth_signature=", "auth_signature=0", "\r\n\r\n", "\r\nConnection: close\r\n\r\n").Replace(post("e", "x")))
		raw(t, p, "GET / HTTP/1.1\r\nHost: a\r\nX: \x1b]0;title\x07\r\n\r\n")
	}
	lines := p.log.all()
	took := time.Since(begin)
	if allowed := perSecond * (4 + int(took/time.Second)); len(lines) > allowed {
		t.Errorf("%d lines for %d refusals in %v; the last is %v", len(lines), 4*rounds, took, lines[len(lines)-1])
	}
	text := fmt.Sprint(lines, p.noise.all(), p.stdout.all())
	if strings.Contains(text, appSecret) || strings.Contains(text, "auth_signature=") || strings.ContainsAny(text, "\x1b\x07\r") {
		t.Errorf("the log has a secret or a control character: %.500q", text)
	}
}

// Row T20: clients that leave as they should leave nothing in the way of the next
// process, which can have the same address at once.
func TestRestartOnTheSameAddress(t *testing.T) {
	t.Parallel()
	env := []string{"ROOST_APP_ID=" + appID, "ROOST_APP_KEY=" + appKey, "ROOST_APP_SECRET=" + appSecret}
	addr := freeAddr(t)
	for range 3 {
		p := launch(t, env, "serve", "--listen", addr, "--admin", "127.0.0.1:0", "--drain", "100ms")
		up := p.log.await(t, "start-up line", func(r record) bool { return r["msg"] == "listening" })
		p.addr, p.admin = fmt.Sprint(up["addr"]), fmt.Sprint(up["admin"])
		unharmed := p.watch(torture.Options{Push: watchedApp}, nil)
		for range 20 {
			raw(t, p, wsHead("/app/"+appKey+"?protocol=7")+"\x88\x82\x00\x00\x00\x00\x03\xe8")
		}
		unharmed()
		open := dialApp(t, p, appKey) // is still there when it ends
		open.hears()
		p.cmd.Process.Signal(os.Interrupt)
		for {
			if _, _, err := open.conn.ReadMessage(); err != nil {
				break
			}
		}
		open.conn.Close()
		if code := p.wait(); code != exitOK {
			t.Fatalf("exit code %d", code)
		}
	}
}

// Row H27: pipelined calls are answered in order, also for a client that reads late.
func TestPipelinedCalls(t *testing.T) {
	p := startServe(t)
	conn, err := net.DialTimeout("tcp", p.addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	const calls = 300
	var all bytes.Buffer
	for i := range calls {
		if i%2 == 0 {
			all.WriteString(post("e", fmt.Sprint(i)))
			continue
		}
		fmt.Fprintf(&all, "GET /nothing-%d HTTP/1.1\r\nHost: a\r\n\r\n", i)
	}
	go conn.Write(all.Bytes())
	time.Sleep(200 * time.Millisecond)
	r := bufio.NewReader(conn)
	for i := range calls {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		io.Copy(io.Discard, resp.Body)
		if want := []int{http.StatusOK, http.StatusNotFound}[i%2]; resp.StatusCode != want {
			t.Fatalf("answer %d is %s, want %d", i, resp.Status, want)
		}
	}
}
