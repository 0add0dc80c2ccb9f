package torture

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/roost-ws/roost/bench/testcert"
)

// stall is a delay that a busy machine does not cause by itself: several suites run
// side by side here, and each of them is dearer than the server it tests.
const stall = 2 * time.Second

// roost echo passes every case, with handlers on workers and on the loops. This
// is the conformance test of the repository: RFC 6455 over the real network.
func TestRoostEcho(t *testing.T) {
	binary := buildRoost(t)
	secured, roots := certificateFiles(t)
	for _, c := range []struct {
		name  string
		args  []string
		env   string
		run   *regexp.Regexp // nil: all
		skip  *regexp.Regexp // nil: none
		least int            // so many cases, or the expressions are not what they look like

		maxMessage, maxFragments int // as args say
		known                    func(o *Options)
	}{
		{name: "workers", least: 1500},
		{name: "inline", args: []string{"--inline"}, least: 1500},
		// T27: what only the collector's finalizers could close shows when it never rests.
		{name: "collecting", env: "GOGC=1", run: regexp.MustCompile("^((H15|H27|F28|T1|T2|T9|T11)/|F31/random-)"), least: 43},
		// Rows C1 and C2 are about a limit of a mebibyte, and a thousand fragments.
		{name: "deflate", args: []string{"--inline", "--deflate", "--deflate-min-size", "1B", "--max-message", "1MiB", "--max-fragments", "1024"},
			run: regexp.MustCompile("^(C|F7|F23|F24|H20)"), maxMessage: 1 << 20, maxFragments: 1024, least: 1000},
		{name: "deflate-context", args: []string{"--deflate", "--deflate-min-size", "1B", "--deflate-context"},
			run: regexp.MustCompile("^C"), skip: regexp.MustCompile("^C11/table-([2-9]|1[0-9]|2[0-9])-"), least: 200},
		// TLS: its own rows, and of the others those where it could make a difference.
		{name: "tls", args: slices.Concat(secured, []string{"--inline"}), run: regexp.MustCompile("^(L|F(1|6|12|19|20|22|29|30)/|H(1|2|14|15|27)/|T(1|2|3|9|11)/)"), least: 400},
		// What nobody could wait for, or fill, as it is shipped.
		{name: "deadlines", args: strings.Fields("--ping-interval 1s --pong-timeout 2s --message-timeout 2s --stall-timeout 1s"), run: regexp.MustCompile("^(M|T5/|F32/)"), least: 8,
			known: func(o *Options) {
				o.PingInterval, o.SilenceTimeout, o.Standstill = time.Second, 3*time.Second, 3500*time.Millisecond
				o.MessageTimeout, o.StallTimeout = 2*time.Second, time.Second
			}},
		{name: "full", args: strings.Fields("--inline --max-connections 50"), run: regexp.MustCompile("^(H3|R1)/"), least: 2, known: func(o *Options) { o.MaxConns = 50 }},
		// The socket serves IPv4 and IPv6 where there are both.
		{name: "addresses", args: strings.Fields("--listen :0 --max-per-address 20 --origins https://app.example.com"), run: regexp.MustCompile("^(R2|H21|H23|T25)/"), least: 24,
			known: func(o *Options) { o.MaxPerAddress, o.Origin, o.Jobs = 20, "https://app.example.com", 4 }},
		{name: "tls-workers", args: secured, run: regexp.MustCompile("^L([4-9]|1[01])/"), least: 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name != "workers" && testing.Short() {
				t.Skip("the workers were tested")
			}
			t.Parallel() // most of the time the suite waits for deadlines
			deflates := slices.Contains(c.args, "--deflate")
			r := startRoost(t, binary, c.env, "echo", c.args...)
			scheme := "ws"
			if slices.Contains(c.args, "--tls-cert") {
				scheme = "wss"
			}
			played := map[string]bool{}
			o := Options{
				URL: scheme + "://" + r.addr + "/torture", Roots: roots, Pid: r.pid, Admin: "http://" + r.admin, Log: r.log,
				Exhaustive: c.name == "inline", Timeout: 20 * time.Second, Delay: stall, Run: c.run, Skip: c.skip, Deflate: deflates,
				MaxMessage: c.maxMessage, MaxFragments: c.maxFragments,
			}
			if c.known != nil {
				c.known(&o)
			}
			s, err := Run(t.Context(), o, func(r Result) {
				if !strings.HasPrefix(r.ID, "U") { // those are judged whatever is chosen
					played[r.ID] = true
				}
				if !r.OK {
					t.Errorf("%v", r)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(played) < c.least {
				t.Errorf("only %d cases", len(played))
			}
			if (s.Plain == "") != deflates || deflates && s.perRow["C1"] == nil {
				t.Errorf("compresses: %v; not applicable: %s", deflates, s.Plain)
			}
			t.Logf("%d cases, %d runs in %.1f s", s.Cases, s.Runs, s.Millis/1000)
		})
	}
	t.Run("stop", func(t *testing.T) { stopEchoes(t, binary, secured, roots) })
}

// build is the program that is tested, which several tests want.
var build struct {
	sync.Once
	dir string
	err error
}

func TestMain(m *testing.M) {
	if defect, ok := os.LookupEnv(modelDefect); ok {
		serveModel(defect)
		return
	}
	code := m.Run()
	if build.dir != "" {
		os.RemoveAll(build.dir)
	}
	os.Exit(code)
}

// buildRoost makes that program.
func buildRoost(t *testing.T) (binary string) {
	t.Helper()
	build.Do(func() {
		if build.dir, build.err = os.MkdirTemp("", "torture"); build.err != nil {
			return
		}
		command := exec.Command("go", "build", "-o", build.dir, "github.com/roost-ws/roost/cmd/roost")
		command.Stderr = os.Stderr
		build.err = command.Run()
	})
	if build.err != nil {
		t.Fatal("building roost: ", build.err)
	}
	return filepath.Join(build.dir, "roost")
}

// certificateFiles makes a certificate, flags that name it, and what trusts it.
func certificateFiles(t *testing.T) (flags []string, roots *x509.CertPool) {
	t.Helper()
	cert, key := testcert.PEM(testcert.SelfSigned("localhost", "127.0.0.1"))
	dir := t.TempDir()
	names := []string{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	for i, text := range [][]byte{cert, key} {
		if err := os.WriteFile(names[i], text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	return []string{"--tls-cert", names[0], "--tls-key", names[1]}, roots
}

// roost is a running roost.
type roost struct {
	addr, admin, log string
	pid              int
	cmd              *exec.Cmd
	ended            func() int // waits for its end, and returns its exit code
}

// startRoost runs a server until the test ends, and requires it to end well.
func startRoost(t *testing.T, binary, env, command string, args ...string) roost {
	t.Helper()
	r := launchRoost(t, binary, env, command, args...)
	t.Cleanup(func() {
		r.cmd.Process.Signal(syscall.SIGTERM)
		code := r.ended()
		text, _ := os.ReadFile(r.log)
		if code != 0 {
			t.Errorf("roost ended with code %d:\n%s", code, text)
		}
		// Rows U2, U5: no stack, and the library logs nothing per connection.
		if len(text) > 8<<10 || bytes.Contains(text, []byte("goroutine ")) {
			t.Errorf("%d bytes of log, beginning with %s", len(text), text[:min(len(text), 4<<10)])
		}
	})
	return r
}

// launchRoost runs a server that somebody else has to end.
func launchRoost(t *testing.T, binary, env, command string, args ...string) (r roost) {
	t.Helper()
	r.log = filepath.Join(t.TempDir(), "log")
	log, err := os.Create(r.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(binary, append([]string{command, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-format", "json"}, args...)...)
	cmd.Stderr = log
	if env != "" {
		cmd.Env = append(os.Environ(), env)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.pid, r.cmd = cmd.Process.Pid, cmd
	r.ended = sync.OnceValue(func() int {
		kill := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
		defer kill.Stop()
		cmd.Wait()
		return cmd.ProcessState.ExitCode()
	})
	t.Cleanup(func() { // nothing is left to do when it has ended
		cmd.Process.Kill()
		r.ended()
	})
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		text, _ := os.ReadFile(r.log)
		for line := range bytes.Lines(text) {
			var record struct{ Msg, Addr, Admin string }
			if json.Unmarshal(line, &record) == nil && record.Msg == "listening" {
				r.addr, r.admin = strings.Replace(record.Addr, "[::]", "127.0.0.1", 1), record.Admin
				return r
			}
		}
	}
	t.Fatal("roost did not start")
	return r
}
