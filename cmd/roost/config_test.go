package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/pusher/pusher-http-go/v5"
)

// write makes a file of the test's own and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// outcome is what a command that ends by itself said.
type outcome struct {
	code           int
	stdout, stderr string
}

// command runs the program to its end, with env and nothing of roost's else.
func command(t *testing.T, env []string, args ...string) outcome {
	t.Helper()
	return commandWith(t, nil, env, args...)
}

// commandWith is command with something to read.
func commandWith(t *testing.T, stdin io.Reader, env []string, args ...string) outcome {
	t.Helper()
	var stdout, stderr strings.Builder
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Stdin = stdin
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), raceSettings + "=" + endAtOnce}, env...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// publishes reports why an app cannot publish, if so.
func publishes(p *program, id, key, secret string) error {
	client := &pusher.Client{AppID: id, Key: key, Secret: secret, Host: p.addr, HTTPClient: &http.Client{Timeout: patience}}
	return client.Trigger("news", "event", "x")
}

const twoApps = `
[server]
listen = "127.0.0.1:0"
admin = "off"
max_connections = 300
max_per_address = "off"
activity_timeout = "50s"
drain = "1s"

[[apps]]
id = "1"
key = "key-one"
secret = "secret-one"
[apps.limits]
data = "1KiB"

[[apps]]
id = "2"
key = "key-two"
secret_file = "two.secret"
`

// A file has apps and settings; the environment wins over it, and a flag over both.
func TestConfigFile(t *testing.T) {
	path := write(t, "roost.toml", twoApps)
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "two.secret"), []byte("secret-two\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"ROOST_CONFIG=" + path, "ROOST_MAX_CONNECTIONS=400", "ROOST_ACTIVITY_TIMEOUT=60s"}
	p := start(t, env, "serve", "--max-connections", "500")
	line := fmt.Sprint(p.log.all()[0])
	for _, want := range []string{"can_hold:about 500 ", "activity_timeout:1m0s", "connections_per_address:off", "apps:2 ", "roost.toml"} {
		if !strings.Contains(line, want) {
			t.Errorf("the start-up line is %s, without %q", line, want)
		}
	}
	if p.admin != "" {
		t.Errorf("the admin address is %s, the file says off", p.admin)
	}
	if err := publishes(p, "1", "key-one", "secret-one"); err != nil {
		t.Error(err)
	}
	if err := publishes(p, "2", "key-two", "secret-two"); err != nil {
		t.Errorf("the app whose secret is in a file of its own: %v", err)
	}
	client := &pusher.Client{AppID: "1", Key: "key-one", Secret: "secret-one", Host: p.addr, HTTPClient: &http.Client{Timeout: patience}}
	if err := client.Trigger("news", "event", strings.Repeat("x", 2000)); err == nil || !strings.Contains(err.Error(), "413") {
		t.Errorf("data over the app's own limit: %v, want status 413", err)
	}
}

// The environment can have what a file should not: the secret of one of its apps.
func TestConfigSecretFromEnvironment(t *testing.T) {
	path := write(t, "roost.toml", "[[apps]]\nid = \"7\"\nkey = \"key-seven\"\n")
	secret := write(t, "secret", "from a file\n")
	p := start(t, []string{"ROOST_CONFIG=" + path, "ROOST_APP_ID=7", "ROOST_APP_SECRET_FILE=" + secret},
		"serve", "--listen", "127.0.0.1:0", "--admin", "off")
	if err := publishes(p, "7", "key-seven", "from a file"); err != nil {
		t.Error(err)
	}
}

// People who move from another server keep their variables.
func TestConfigAliases(t *testing.T) {
	secret := write(t, "secret", "from a file")
	for _, prefix := range []string{"PUSHER_APP_", "REVERB_APP_", "SOKETI_DEFAULT_APP_", "SOCKUDO_DEFAULT_APP_"} {
		env := []string{"ROOST_APP_ID=", prefix + "ID=9", prefix + "KEY=k", prefix + "SECRET_FILE=" + secret}
		p := start(t, env, "serve", "--listen", "127.0.0.1:0", "--admin", "off")
		if err := publishes(p, "9", "k", "from a file"); err != nil {
			t.Errorf("%s*: %v", prefix, err)
		}
	}
	both := []string{"ROOST_APP_ID=1", "ROOST_APP_KEY=k", "ROOST_APP_SECRET=s", "PUSHER_APP_ID=2", "PUSHER_APP_KEY=l", "PUSHER_APP_SECRET=s"}
	if got := command(t, both, "checkconfig"); !strings.Contains(got.stdout, "1 app,") || !strings.Contains(got.stdout, "app 1, key k\n") {
		t.Errorf("with variables of both, checkconfig says %+v, want roost's own app alone", got)
	}
}

// Every mistake is refused with the place where it is, by checkconfig and by serve alike.
func TestConfigMistakes(t *testing.T) {
	t.Parallel()
	const app = "[[apps]]\nid = \"1\"\nkey = \"k\"\nsecret = \"s\"\n"
	for _, row := range []struct {
		name, text string
		env        string
		want       []string
	}{
		{"no TOML", "[[apps]\n", "", []string{"roost.toml:1:"}},
		{"unknown keys", app + "secert = \"x\"\n[server]\nlimit = 1\n", "", []string{"roost.toml:5: unknown key apps.secert", "roost.toml:7: unknown key server.limit"}},
		{"unknown table", app + "[sever]\n", "", []string{"roost.toml:5: unknown key sever"}},
		{"duration without a unit", "[server]\nadmin = \"off\"\ndrain = 10\n" + app, "", []string{"roost.toml:3:", "30s"}},
		{"duration that is none", "[server]\ndrain = \"soon\"\n" + app, "", []string{"roost.toml:2: server.drain:", "30s"}},
		{"address", "[server]\nlisten = \"6001\"\n" + app, "", []string{"roost.toml:2: server.listen:", "not HOST:PORT"}},
		{"log format", "[log]\nformat = \"loud\"\n" + app, "", []string{"roost.toml:2: log.format:", "json"}},
		{"type", "[[apps]]\nid = 1\n", "", []string{"roost.toml:2: apps.id: integer where string is needed"}},
		{"flag's own rule", "[server]\nmax_per_address = -1\n" + app, "", []string{"--max-per-address", "from 1"}},
		{"activity timeout", "[server]\nactivity_timeout = \"1500ms\"\n" + app, "", []string{"--activity-timeout 1.5s: use whole seconds"}},
		{"no drain", "[server]\ndrain = \"0s\"\n" + app, "", []string{"roost.toml:2: server.drain", "leave it out for the default"}},
		{"too long a drain", "[server]\ndrain = \"99999h\"\n" + app, "", []string{"roost: --drain is 99999h0m0s, and may be"}},
		{"negative number", "[server]\nmax_connections = -5\n" + app, "", []string{"--max-connections", "not a number from 1"}},
		{"no number", "[server]\nmax_subscriptions = 0\n" + app, "", []string{"--max-subscriptions", "not a number from 1"}},
		{"level", "[server]\ndeflate_level = 12\n" + app, "", []string{"--deflate-level is 12, and must be from 1 to 9"}},
		{"certificate without a key", "[server]\ntls_cert = \"a.pem\"\n" + app, "", []string{"--tls-cert names 1 files and --tls-key 0"}},
		{"no certificate there", "[server]\ntls_cert = \"a.pem\"\ntls_key = \"a.key\"\n" + app, "", []string{"certificate", "a.pem", "no such file"}},
		{"short password", "[server]\nadmin_password = \"short\"\n" + app, "", []string{"the admin password has 5 characters"}},
		{"demo's own app", "[server]\ndemo = true\n" + strings.Replace(app, `"1"`, `"roost-demo"`, 1), "", []string{"roost-demo is there twice"}},
		{"limit of 0", app + "[apps.limits]\nclient_events_per_second = 0\n", "", []string{"roost.toml:6:", "not a number from 1: leave it out for the default"}},
		{"negative limit", app + "[apps.limits]\nchannels_per_event = -1\n", "", []string{"roost.toml:6:", "not a number from 1"}},
		{"size of 0", app + "[apps.limits]\ndata = 0\n", "", []string{"roost.toml:6:", "is not a size"}},
		{"limit of webhooks", app + "[webhooks.limits]\nattempts = 0\n", "", []string{"roost.toml:6:", "not a number from 1"}},
		{"lifetime of 0", app + "[apps.tokens]\nmax_lifetime = \"0s\"\n", "", []string{"roost.toml:6: apps.tokens.max_lifetime", "leave it out for the default"}},
		{"events of history", app + "[[apps.history]]\npattern = \"*\"\nsize = 0\n", "", []string{"roost.toml:7:", "not a number from 1"}},
		{"no app", "[server]\n", "", []string{"roost.toml: there is no app"}},
		{"no secret", "[[apps]]\nid = \"1\"\nkey = \"k\"\n", "", []string{"roost.toml: app 1: no secret"}},
		{"two secrets", app + "secret_file = \"x\"\n", "", []string{"app 1 has secret and secret_file"}},
		{"no file of a secret", "[[apps]]\nid = \"1\"\nkey = \"k\"\nsecret_file = \"nowhere\"\n", "", []string{"app 1: secret_file", "nowhere"}},
		{"app twice", app + app, "", []string{"app id 1 is there twice"}},
		{"origin", app + "origins = [\"https://\"]\n", "", []string{"app 1: origin"}},
		{"history", app + "[[apps.history]]\npattern = \"a b\"\n", "", []string{"app 1: history", "pattern"}},
		{"rewind", app + "[[apps.history]]\npattern = \"*\"\nrewind = { age = \"30s\" }\n", "", []string{"app 1: history", "count"}},
		{"webhook", app + "[[apps.webhooks]]\nurl = \"ftp://x\"\n", "", []string{"app 1: webhook", "https://host"}},
		{"webhooks", app + "[webhooks]\nretry_min = \"1h\"\n", "", []string{"retry max"}},
		{"network", app + "[webhooks]\nallow_networks = [\"10.0.0.0\"]\n", "", []string{"roost.toml:6: webhooks.allow_networks"}},
		{"half an app elsewhere", app, "ROOST_APP_ID=2", []string{"belong together"}},
		{"half an alias", "", "PUSHER_APP_KEY=x", []string{"PUSHER_APP_ID", "PUSHER_APP_SECRET", "belong together"}},
		{"secret twice", "", "ROOST_APP_SECRET=x ROOST_APP_SECRET_FILE=y", []string{"ROOST_APP_SECRET_FILE are both set"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			env := strings.Fields(row.env)
			if row.text != "" {
				env = append(env, "ROOST_CONFIG="+write(t, "roost.toml", row.text))
			}
			for _, args := range [][]string{{"checkconfig"}, {"serve", "--listen=127.0.0.1:0"}} {
				got := command(t, env, args...)
				if got.code != exitUsage {
					t.Errorf("%v: exit code %d, want %d", args, got.code, exitUsage)
				}
				for _, want := range row.want {
					if !strings.Contains(got.stderr, want) {
						t.Errorf("%v said %q, without %q", args, got.stderr, want)
					}
				}
			}
		})
	}
}

// What genconfig prints is good as it is, and different each time.
func TestGenconfig(t *testing.T) {
	first, second := command(t, nil, "genconfig"), command(t, nil, "genconfig")
	if first.code != 0 || first.stdout == second.stdout {
		t.Fatalf("exit code %d, and twice the same secret: %v", first.code, first.stdout == second.stdout)
	}
	path := write(t, "roost.toml", first.stdout)
	got := command(t, nil, "checkconfig", path, "--json")
	if got.code != 0 || !strings.Contains(got.stdout, `"webhooks":0`) || strings.Contains(got.stdout, `"apps":[]`) {
		t.Errorf("checkconfig says %+v", got)
	}
}

// A file can set every field of an app and of webhooks, genconfig shows it, and
// what is commented out there with no "example" is the default.
func TestConfigReachesEveryField(t *testing.T) {
	full := regexp.MustCompile(`(?m)^# (\[\[|[a-z_]+ = )`).ReplaceAllString(configTemplate, "$1")
	full = strings.NewReplacer(`secret = "{{secret}}"`, "", "{{id}}", "1", "{{key}}", "k",
		"= false", "= true", `"3s"`, `"off"`).Replace(full)
	path := write(t, "roost.toml", full)
	for _, name := range []string{"roost.secret", "tokens.pem"} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte("s"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	serve := &serveCmd{Config: path}
	got, err := serve.tenants()
	if err != nil {
		t.Fatal(err)
	}
	allSet(t, "app", reflect.ValueOf(got.apps[0]))
	got.webhooks.Logger = nil
	allSet(t, "webhooks", reflect.ValueOf(got.webhooks))

	parser, err := newParser(&cli{}, environment{stdout: io.Discard, stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range parser.Model.Children {
		for _, flag := range append(command.Flags, parser.Model.Flags...) {
			special := flag.Name == "help" || flag.Name == "config" || strings.HasPrefix(flag.Name, "app-")
			if _, ok := got.file.flag(flag.Name); command.Name == "serve" && !ok && !special {
				t.Errorf("no key of a file sets --%s", flag.Name)
			}
		}
	}
}

// allSet fails the test for every exported field that is zero.
func allSet(t *testing.T, name string, v reflect.Value) {
	t.Helper()
	switch {
	case v.Kind() == reflect.Struct && v.Type().PkgPath() != "net/netip":
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Name != "Logger" {
				allSet(t, name+"."+f.Name, v.Field(i))
			}
		}
	case v.Kind() == reflect.Slice && v.Len() > 0:
		allSet(t, name+"[0]", v.Index(0))
	case v.IsZero():
		t.Errorf("no key of a file, or none that genconfig shows, sets %s", name)
	}
}
