package main

import (
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
)

// What is wrong on the command line ends with its exit code and one sentence
// that says what to do.
func TestWrongUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, row := range []struct {
		name string
		args string
		env  string
		code int
		want []string
	}{
		{name: "unknown flag", args: "serve --lisen :1", code: exitUsage, want: []string{"unknown flag --lisen", "--listen", "roost serve --help"}},
		{name: "unknown command", args: "sevre", code: exitUsage, want: []string{"sevre", "serve", "roost --help"}},
		{name: "no address", args: "echo", code: exitUsage, want: []string{"--listen=HOST:PORT"}},
		{name: "address without a port", args: "serve --listen 6001", code: exitUsage, want: []string{"--listen", "not HOST:PORT", ":6001"}},
		{name: "port out of range", args: "serve --listen :66000", code: exitUsage, want: []string{"0 to 65535"}},
		{name: "size", args: "echo --listen 127.0.0.1:0 --max-message 16XB", code: exitUsage, want: []string{"--max-message", "16MiB"}},
		{name: "duration", args: "echo --listen 127.0.0.1:0 --ping-interval 30", code: exitUsage, want: []string{"--ping-interval", "30s"}},
		{name: "count", args: "serve --max-per-address -1", code: exitUsage, want: []string{"--max-per-address"}},
		{name: "workers and inline", args: "echo --listen 127.0.0.1:0 --workers 3 --inline", code: exitUsage, want: []string{"--workers", "--inline", "can't be used together"}},
		{name: "kernel TLS", args: "echo --listen 127.0.0.1:0 --ktls=maybe", code: exitUsage, want: []string{"ktls", "neither auto nor off"}},
		{name: "negative loops", args: "echo --listen 127.0.0.1:0 --loops=-1", code: exitUsage, want: []string{"--loops", "a number from 1"}},
		{name: "wrong variable", args: "serve", env: "ROOST_LISTEN=6001", code: exitUsage, want: []string{"--listen", "not HOST:PORT"}},
		{name: "half an app", args: "serve --app-id 1", code: exitUsage, want: []string{"--app-key", "belong together"}},
		{name: "port in use", args: "serve --admin off --listen " + taken.Addr().String(), code: exitListen, want: []string{"in use", taken.Addr().String(), "--listen"}},
		{name: "admin port in use", args: "serve --listen 127.0.0.1:0 --admin " + taken.Addr().String(), code: exitListen, want: []string{"in use", taken.Addr().String(), "--admin"}},
		{name: "address of another machine", args: "echo --listen 192.0.2.1:0", code: exitListen, want: []string{"no such address"}},
		{name: "too few descriptors", args: "echo --listen 127.0.0.1:0 --max-connections 2147483647", code: exitDescriptors, want: []string{"ulimit -n 2147483747", fmt.Sprintf("lower --max-connections to %d", raiseDescriptors().room())}},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := launch(t, []string{row.env}, strings.Fields(row.args)...)
			if code := p.wait(); code != row.code {
				t.Errorf("exit code %d, want %d", code, row.code)
			}
			said := strings.Join(p.noise.all(), "\n")
			if lines := len(p.noise.all()); lines != 1 {
				t.Errorf("said %d lines, want one:\n%s", lines, said)
			}
			for _, want := range row.want {
				if !strings.Contains(said, want) {
					t.Errorf("said %q, without %q", said, want)
				}
			}
		})
	}
}

// Help names every flag, its variable and the exit codes.
func TestHelp(t *testing.T) {
	for args, want := range map[string][]string{
		"--help":       {"serve", "echo", "version", "Exit codes: 0", "4 descriptor limit"},
		"serve --help": {"--listen=HOST:PORT", "$ROOST_LISTEN", "$ROOST_APP_SECRET", ":6001", "127.0.0.1:9601"},
		"echo --help":  {"--max-message", "16MiB", "--max-fragments", "100000", "--idle-timeout", "--inline"},
	} {
		out, err := exec.Command(binary, strings.Fields(args)...).Output()
		if err != nil {
			t.Errorf("roost %s: %v", args, err)
		}
		for _, w := range want {
			if !strings.Contains(string(out), w) {
				t.Errorf("roost %s does not say %q:\n%s", args, w, out)
			}
		}
	}
}

// A flag wins over the environment.
func TestFlagWinsOverEnvironment(t *testing.T) {
	p := start(t, []string{"ROOST_MAX_MESSAGE=1KiB", "ROOST_MAX_FRAGMENTS=7"},
		"echo", "--listen", "127.0.0.1:0", "--max-message", "2KiB")
	limits, _ := p.log.all()[0]["limits"].(map[string]any)
	if limits["message"] != "2KiB" || fmt.Sprint(limits["fragments"]) != "7" {
		t.Errorf("limits in force are %v, want 2KiB from the flag and 7 from the environment", limits)
	}
}

// The start-up line says what is in force and how many connections fit.
func TestStartUpLine(t *testing.T) {
	p := startServe(t, "--max-connections", "500", "--max-per-address", "off")
	line := fmt.Sprint(p.log.all()[0])
	for _, want := range []string{"addr:127.0.0.1:", "admin:127.0.0.1:", "can_hold:about 500 connections", "descriptors:", "activity_timeout:2m0s", "connections_per_address:off", "apps:1 ", "apps_from:flags or environment"} {
		if !strings.Contains(line, want) {
			t.Errorf("the start-up line is %s, without %q", line, want)
		}
	}
	if strings.Contains(line, appSecret) {
		t.Error("the start-up line has the secret")
	}
}

// --log-format text is for people: key=value, and no JSON.
func TestTextLog(t *testing.T) {
	p := launch(t, nil, "echo", "--listen", "127.0.0.1:0", "--log-format", "text")
	p.noise.await(t, "start-up line", func(line string) bool {
		return strings.Contains(line, "msg=listening") && strings.Contains(line, "limits.message=16MiB")
	})
	p.cmd.Process.Signal(syscall.SIGTERM)
	if code := p.wait(); code != exitOK || len(p.log.all()) > 0 {
		t.Errorf("exit code %d and JSON records %v, want 0 and none", code, p.log.all())
	}
}

// Serving over a unix socket: the path is the address.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "roost.sock")
	start(t, nil, "echo", "--listen", "unix:"+path)
	dialer := gorilla.Dialer{NetDial: func(string, string) (net.Conn, error) { return net.Dial("unix", path) }}
	c, _, err := dialer.Dial("ws://roost/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(patience))
	c.WriteMessage(gorilla.TextMessage, []byte("over a file"))
	if _, got, err := c.ReadMessage(); string(got) != "over a file" {
		t.Errorf("got %q, %v", got, err)
	}
}

// What operators ask: health, metrics and profiles.
func TestAdmin(t *testing.T) {
	p := startServe(t)
	c, _, err := gorilla.DefaultDialer.Dial("ws://"+p.addr+"/app/"+appKey+"?protocol=7", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(patience))
	if _, _, err := c.ReadMessage(); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/live":                           "OK",
		"/ready":                          "OK",
		"/up":                             "OK",
		"/metrics":                        "\nroost_connected{app_id=\"" + appID + "\",port=\"" + p.addr[strings.LastIndex(p.addr, ":")+1:] + "\"} 1\n",
		"/debug/pprof/cmdline":            "roost",
		"/debug/pprof/heap":               "",
		"/debug/pprof/":                   "goroutine",
		"/debug/pprof/symbol":             "num_symbols",
		"/debug/pprof/allocs":             "",
		"/debug/pprof/mutex":              "",
		"/debug/pprof/block":              "",
		"/debug/pprof/trace?seconds=0.01": "",
	} {
		status, body := get(t, "http://"+p.admin+path)
		if status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("GET %s: %d, without %q", path, status, want)
		}
	}
	for _, path := range []string{"/metrics", "/debug/pprof/", "/ready"} {
		if status, _ := get(t, "http://"+p.addr+path); status != http.StatusNotFound {
			t.Errorf("GET %s on the clients' port: %d, want 404", path, status)
		}
	}
}

// Dashboards of another server find the names that they know.
func TestMetricsPrefix(t *testing.T) {
	p := startServe(t, "--metrics-prefix", "soketi_")
	dialApp(t, p, appKey).hears()
	_, body := get(t, "http://"+p.admin+"/metrics")
	port := p.addr[strings.LastIndex(p.addr, ":")+1:]
	for _, name := range []string{
		"connected", "new_connections_total", "new_disconnections_total", "connection_errors_total", "socket_received_bytes",
		"socket_transmitted_bytes", "ws_messages_received_total", "ws_messages_sent_total", "http_received_bytes",
		"http_transmitted_bytes", "http_calls_received_total", "channel_subscriptions_total", "active_channels",
	} {
		if want := fmt.Sprintf("\nsoketi_%s{app_id=%q,port=%q} ", name, appID, port); !strings.Contains(body, want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
	for _, want := range []string{"\nsoketi_rate_limit_triggered_total{", "\nsoketi_broadcast_latency_ms_bucket{"} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
	if strings.Contains(body, "roost_") {
		t.Error("/metrics has names with another prefix")
	}
	wrong := launch(t, nil, "serve", "--metrics-prefix", "1 ")
	if code := wrong.wait(); code != exitUsage {
		t.Errorf("a prefix that is none: exit code %d", code)
	}
}

// SIGTERM: not ready while the drain goes on, every client gets Close 4200, and
// the program ends with 0; a second signal does not wait.
func TestDrain(t *testing.T) {
	t.Parallel()
	for _, second := range []bool{false, true} {
		name := map[bool]string{false: "to its end", true: "cut by a second signal"}[second]
		t.Run(name, func(t *testing.T) {
			env := []string{"ROOST_APP_ID=1", "ROOST_APP_KEY=k", "ROOST_APP_SECRET=s"}
			p := launch(t, env, "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--drain", "2s")
			up := p.log.await(t, "start-up line", func(r record) bool { return r["msg"] == "listening" })
			c, _, err := gorilla.DefaultDialer.Dial(fmt.Sprintf("ws://%s/app/k?protocol=7", up["addr"]), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			p.cmd.Process.Signal(syscall.SIGTERM)
			p.log.await(t, "drain", func(r record) bool { return r["msg"] == "draining" })
			// The client answers nothing until it reads, so the drain is going on.
			if status, body := get(t, fmt.Sprintf("http://%s/ready", up["admin"])); status != http.StatusServiceUnavailable || !strings.Contains(body, "DRAINING") {
				t.Errorf("/ready during a drain: %d %q, want 503 DRAINING", status, body)
			}
			if status, _ := get(t, fmt.Sprintf("http://%s/live", up["admin"])); status != http.StatusOK {
				t.Errorf("/live during a drain: %d, want 200", status)
			}
			if second {
				p.cmd.Process.Signal(syscall.SIGTERM)
				if code := p.wait(); code != exitFailure || !strings.Contains(strings.Join(p.noise.all(), ""), "during the drain") {
					t.Errorf("a second signal: exit code %d and %q, want 1", code, p.noise.all())
				}
				return
			}
			c.SetReadDeadline(time.Now().Add(patience))
			for err == nil {
				_, _, err = c.ReadMessage()
			}
			if !gorilla.IsCloseError(err, 4200) {
				t.Errorf("the client saw %v, want Close 4200", err)
			}
			c.Close()
			if code := p.wait(); code != exitOK {
				t.Errorf("exit code %d after the drain, want 0", code)
			}
		})
	}
}
