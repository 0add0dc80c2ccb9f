package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// askAdmin asks the admin address for a path, as a host and with a password.
func askAdmin(t *testing.T, p *program, path, host, password string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequest("GET", "http://"+p.admin+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		r.Host = host
	}
	if password != "" {
		r.SetBasicAuth("whoever", password)
	}
	return answered(t, r)
}

// answered sends a request and returns what came back.
func answered(t *testing.T, r *http.Request) (status int, body string) {
	t.Helper()
	client := http.Client{Timeout: patience}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// A page of a site whose name points at 127.0.0.1 reaches the admin address, but
// under that name; health is for everybody.
func TestAdminKnowsItsNames(t *testing.T) {
	p := startServe(t)
	for host, want := range map[string]int{
		"": 200, "localhost": 200, "LOCALHOST:9601": 200, "127.0.0.1": 200, "127.9.9.9:1": 200, "[::1]:9601": 200, "[::1]": 200,
		"evil.example": 403, "evil.example:9601": 403, "localhost.evil.example": 403, "127.0.0.1.evil.example": 403, "10.0.0.1:9601": 403,
	} {
		for _, path := range []string{"/", "/metrics", "/console/state", "/debug/pprof/cmdline"} {
			if got, _ := askAdmin(t, p, path, host, ""); got != want {
				t.Errorf("GET %s with Host %q: %d, want %d", path, host, got, want)
			}
		}
		if got, _ := askAdmin(t, p, "/live", host, ""); got != 200 {
			t.Errorf("GET /live with Host %q: %d", host, got)
		}
	}
}

// With a password everything but health asks for it, whatever the name.
func TestAdminPassword(t *testing.T) {
	const password = "correct horse battery"
	file := write(t, "password", password+"\n")
	p := startServe(t, "--admin-password-file", file)
	for _, path := range []string{"/", "/metrics", "/console/state", "/console/feed", "/debug/pprof/cmdline", "/nowhere"} {
		for given, want := range map[string]int{"": 401, "correct horse batterx": 401, "correct horse battery ": 401} {
			if got, _ := askAdmin(t, p, path, "", given); got != want {
				t.Errorf("GET %s with password %q: %d, want %d", path, given, got, want)
			}
		}
	}
	if got, body := askAdmin(t, p, "/", "roost.example", password); got != 200 || !strings.Contains(body, "roost console") {
		t.Errorf("with the password: %d", got)
	}
	if got, _ := askAdmin(t, p, "/ready", "", ""); got != 200 {
		t.Errorf("health without the password: %d", got)
	}
	for args, want := range map[string]string{
		"--admin-password short": "at least 12",
		"--admin-password long-enough-for-it --admin-password-file " + file: "leave one out",
		"--admin-password-file /nowhere":                                    "/nowhere",
	} {
		p := launch(t, nil, append([]string{"serve", "--listen", "127.0.0.1:0", "--admin", "off"}, strings.Fields(args)...)...)
		if code := p.wait(); code != exitUsage || !strings.Contains(strings.Join(p.noise.all(), ""), want) {
			t.Errorf("%s: exit code %d, %v, want %q", args, code, p.noise.all(), want)
		}
	}
}

// The file with the password is seen from the configuration file's folder.
func TestAdminPasswordFromConfig(t *testing.T) {
	path := write(t, "roost.toml", "[server]\nadmin_password_file = \"pw\"\n[[apps]]\nid = \"1\"\nkey = \"k\"\nsecret = \"s\"\n")
	if err := os.WriteFile(strings.TrimSuffix(path, "roost.toml")+"pw", []byte("correct horse battery"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, []string{"ROOST_CONFIG=" + path}, "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	if got, _ := askAdmin(t, p, "/metrics", "", ""); got != 401 {
		t.Errorf("without the password: %d", got)
	}
}

// Where strangers may come, there is no console without a password.
func TestNoConsoleForStrangers(t *testing.T) {
	p := startServe(t, "--admin", "0.0.0.0:0")
	p.admin = "127.0.0.1" + p.admin[strings.LastIndex(p.admin, ":"):]
	for path, want := range map[string]int{"/": 403, "/console/state": 403, "/console/feed": 403, "/metrics": 200, "/live": 200} {
		if got, _ := askAdmin(t, p, path, "roost.example", ""); got != want {
			t.Errorf("GET %s: %d, want %d", path, got, want)
		}
	}
}

// An open feed does not hold the end of the program up.
func TestFeedEndsWithTheProgram(t *testing.T) {
	p := startServe(t)
	resp, err := http.Get(fmt.Sprintf("http://%s/console/feed?app=%s", p.admin, appID))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	ended := make(chan error, 1)
	go func() { _, err := io.Copy(io.Discard, resp.Body); ended <- err }()
	p.cmd.Process.Signal(os.Interrupt)
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the feed was cut: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the feed goes on")
	}
}
