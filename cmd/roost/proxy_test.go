package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
)

// proxy is a way through docs/guides/proxies.md.
type proxy struct {
	language string // of its block there
	which    int    // of those
	binary   string
	prefix   string
	// around makes what the program reads of the guide's block.
	around func(block, dir string) string
	args   func(config, dir string) []string
}

var proxies = map[string]proxy{
	"nginx":         {language: "nginx", binary: "nginx", around: aroundNginx, args: nginxArgs},
	"nginx, a path": {language: "nginx", which: 1, prefix: "/pusher", binary: "nginx", around: aroundNginx, args: nginxArgs},
	"HAProxy": {
		language: "haproxy", binary: "haproxy", around: func(block, _ string) string { return block },
		args: func(config, _ string) []string { return []string{"-db", "-f", config} },
	},
	"Caddy": {
		language: "caddy", binary: "caddy",
		around: func(block, _ string) string { return "{\n\tadmin off\n}\n" + block },
		args:   func(config, _ string) []string { return []string{"run", "--adapter", "caddyfile", "--config", config} },
	},
}

// aroundNginx keeps everything in dir, where the test may write.
func aroundNginx(block, dir string) string {
	var temp strings.Builder
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temp, "  %s_temp_path %s/%s;\n", name, dir, name)
	}
	return "daemon off;\nworker_processes 1;\nerror_log stderr;\npid " + dir + "/pid;\nevents {}\nhttp {\n  access_log off;\n" + temp.String() + block + "}\n"
}

func nginxArgs(config, dir string) []string { return []string{"-e", "stderr", "-p", dir, "-c", config} }

// path finds the program; it is "" where there is none.
func (x proxy) path() string {
	for _, name := range []string{x.binary, "/usr/sbin/" + x.binary} { // not in everybody's PATH
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// start runs the proxy in front of p and returns where it listens.
func (x proxy) start(t *testing.T, p *program) (addr string) {
	t.Helper()
	path := x.path()
	if path == "" {
		missing(t, x.binary)
	}
	guide, err := os.ReadFile("../../docs/guides/proxies.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```"+x.language+"\n(.*?)```").FindAllStringSubmatch(string(guide), -1)
	if len(blocks) <= x.which {
		t.Fatalf("the guide has %d blocks of %s", len(blocks), x.language)
	}
	addr = freeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	block := strings.NewReplacer("127.0.0.1:6001", p.addr, "listen 80", "listen "+addr, "bind :80", "bind "+addr,
		"push.example.com", "http://127.0.0.1:"+port, "180s", proxyIdle.String(), "client 30s", "client "+proxyIdle.String(), "server 30s", "server "+proxyIdle.String()).Replace(blocks[x.which][1])
	dir := t.TempDir()
	config := filepath.Join(dir, "config")
	if err := os.WriteFile(config, []byte(x.around(block, dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, x.args(config, dir)...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	said := &strings.Builder{}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is seen by those who need it
		close(ended)
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(patience):
			cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Log(said)
		}
	})
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return addr
		}
	}
	t.Fatalf("%s does not listen", x.binary)
	return ""
}

// proxyIdle stands in for the guide's timeouts, which no test has time for. Clients
// ping every second: a machine that stands still for a few disturbs nothing.
const proxyIdle = 6 * time.Second

// proxyPings is after how many a connection that was taken for idle would have been cut.
const proxyPings = int(proxyIdle/time.Second) + 2

// freeAddr is an address for a program that cannot be given port 0. It is below the
// ports that Linux gives to whoever asks for any, so that nobody has it in between.
func freeAddr(t *testing.T) string {
	t.Helper()
	var errs []error
	for range 100 {
		ln, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 15_000+rand.IntN(15_000)))
		if err == nil {
			defer ln.Close()
			return ln.Addr().String()
		}
		errs = append(errs, err)
	}
	t.Fatal(errors.Join(errs...))
	return ""
}

// The guide's configurations: events get through both ways, pings keep a quiet
// connection open for longer than the proxy waits, and so do the codes that tell
// clients what to do.
func TestProxies(t *testing.T) {
	t.Parallel() // most of it is waiting, as in many that are
	for name, x := range proxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := []string{"ROOST_APP_ID=" + appID, "ROOST_APP_KEY=" + appKey, "ROOST_APP_SECRET=" + appSecret}
			args := []string{"serve", "--listen", "127.0.0.1:0", "--admin", "off", "--drain", "1s", "--max-per-address", "off", "--path-prefix", x.prefix}
			p := launch(t, env, args...)
			p.addr = fmt.Sprint(p.log.await(t, "start-up line", func(r record) bool { return r["msg"] == "listening" })["addr"])
			addr := x.start(t, p)
			through := *p
			through.addr = addr
			client := func(key string) *watcher {
				options := clientOptions(&through)
				options["wsPath"] = x.prefix
				options["unavailableTimeout"] = patience.Milliseconds() // until then it is connecting
				return places["Node"](t, pusherJS, map[string]any{"key": key, "options": options})
			}
			c := client(appKey)
			c.connected()
			c.subscribe("quiet")
			stream := x.stream(t, addr, "quiet")
			sdk := newSDK(&through)
			sdk.Host += x.prefix
			if err := sdk.Trigger("quiet", "first", "x"); err != nil {
				t.Fatal(err)
			}
			c.event("quiet", "first")
			stream.await(t, "event on the stream", func(line string) bool { return strings.Contains(line, `"event":"first"`) || line == "event: first" })
			client("no-such-key").seen("error 4001", func(h happening) bool { return h.Kind == "error" && h.Code == 4001 })

			conn, _, err := gorilla.DefaultDialer.Dial("ws://"+addr+x.prefix+"/app/"+appKey+"?protocol=7", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			for pongs := 0; pongs < proxyPings; {
				seen := 0
				c.seen("pong", func(h happening) bool {
					if h.Kind == "pong" {
						seen++
					}
					return seen > pongs
				})
				pongs = seen
				if err := conn.WriteMessage(gorilla.TextMessage, []byte(`{"event":"pusher:ping","data":{}}`)); err != nil {
					t.Fatal(err)
				}
			}
			for _, h := range c.all() {
				if h.Kind == "state" && h.Name != "connecting" && h.Name != "connected" {
					t.Fatalf("the client was %s", h.Name)
				}
			}
			if err := sdk.Trigger("quiet", "last", "x"); err != nil {
				t.Fatal(err)
			}
			c.event("quiet", "last")
			x.refuses(t, addr)

			p.cmd.Process.Signal(syscall.SIGTERM)
			conn.SetReadDeadline(time.Now().Add(patience))
			for err = nil; err == nil; {
				_, _, err = conn.ReadMessage()
			}
			if !gorilla.IsCloseError(err, closeReconnect) {
				t.Errorf("during the drain the client saw %v, want Close %d", err, closeReconnect)
			}
			conn.Close()
			if code := p.wait(); code != exitOK {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// stream opens a stream of server-sent events and returns its lines: they must
// not wait in the proxy for more.
func (x proxy) stream(t *testing.T, addr, channel string) *feed[string] {
	t.Helper()
	resp, err := streamed.Get("http://" + addr + x.prefix + "/app/" + appKey + "/sse?channels=" + channel)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("a stream of events: %s", resp.Status)
	}
	said := newFeed[string]()
	go func() {
		lines(resp.Body, said.put)
		said.end()
	}()
	said.await(t, "subscription", func(line string) bool { return line != "" })
	return said
}

// refuses looks at a call with a wrong signature: the reason comes through.
func (x proxy) refuses(t *testing.T, addr string) {
	t.Helper()
	resp, err := (&http.Client{Timeout: patience}).Post("http://"+addr+x.prefix+"/apps/"+appID+"/events?auth_key=x", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a call that is not signed: %s", resp.Status)
	}
}
