package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait of these tests. Nothing is asserted about speed:
// it is what a busy machine may need.
const patience = time.Minute

// binary is the program under test, built once.
var binary string

// builtBinary is the variable that names it to a test that runs in a process of its own.
const builtBinary = "ROOST_TEST_BINARY"

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	os.Setenv(raceSettings, endAtOnce)
	dir, err := os.MkdirTemp("", "roost-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if binary = os.Getenv(builtBinary); binary != "" {
		return m.Run()
	}
	binary = filepath.Join(dir, "roost")
	build := exec.Command("go", "build", "-o", binary)
	if raceDetector() {
		build.Args = append(build.Args, "-race")
	}
	build.Args = append(build.Args, ".")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building roost:", err)
		return 1
	}
	defer closeBrowser()
	return m.Run()
}

// raceDetector reports whether this test runs under it; then the program does too.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}

// record is one line of the program's JSON log.
type record map[string]any

// endAtOnce keeps a program with the race detector in it from waiting a second at
// its end, as it does for goroutines that may still race.
const (
	raceSettings = "GORACE"
	endAtOnce    = "atexit_sleep_ms=0"
)

// program is a running roost.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout *feed[string]
	log    *feed[record]
	noise  *feed[string] // what it wrote to stderr that is no record
	kept   string        // the file that has all that it wrote to stderr
	exited chan struct{} // closed when it ended and its output was read
	addr   string        // where it serves
	admin  string        // its admin address, "" when it has none
}

// launch starts the binary and reads its output.
func launch(t *testing.T, env []string, args ...string) *program {
	t.Helper()
	return follow(t, exec.Command(binary, args...), env)
}

// follow starts a command that becomes the binary, and reads its output.
func follow(t *testing.T, cmd *exec.Cmd, env []string) *program {
	t.Helper()
	p := &program{
		t: t, cmd: cmd,
		stdout: newFeed[string](), log: newFeed[record](), noise: newFeed[string](), exited: make(chan struct{}),
	}
	p.cmd.Env = append(os.Environ(), "ROOST_LOG_FORMAT=json")
	p.cmd.Env = append(p.cmd.Env, env...)
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.kept = filepath.Join(t.TempDir(), "log")
	kept, err := os.Create(p.kept)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	readers.Go(func() { lines(stdout, p.stdout.put) })
	readers.Go(func() {
		defer kept.Close()
		lines(io.TeeReader(stderr, kept), func(line string) {
			var r record
			if json.Unmarshal([]byte(line), &r) == nil {
				p.log.put(r)
				return
			}
			p.noise.put(line)
		})
	})
	go func() {
		readers.Wait()
		p.cmd.Wait()
		p.stdout.end()
		p.log.end()
		p.noise.end()
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.exited
		if t.Failed() {
			t.Logf("%s\nits log:%s\nelse it said:%s", strings.Join(cmd.Args, " "), excerpt(p.log.all()), excerpt(p.noise.all()))
		}
	})
	return p
}

// start launches a server, waits until it listens, and sees it drain at the end.
func start(t *testing.T, env []string, args ...string) *program {
	t.Helper()
	return launch(t, env, args...).serving()
}

// serving waits until p listens, and sees it drain at the end of the test.
func (p *program) serving() *program {
	t := p.t
	t.Helper()
	listening := p.log.await(t, "the start-up line", func(r record) bool { return r["msg"] == "listening" })
	p.addr, _ = listening["addr"].(string)
	p.admin, _ = listening["admin"].(string)
	t.Cleanup(func() {
		p.cmd.Process.Signal(syscall.SIGTERM)
		if code := p.wait(); code != exitOK {
			t.Errorf("roost ended with code %d after SIGTERM, want 0", code)
		}
		if noise := p.noise.all(); len(noise) > 0 {
			t.Errorf("roost wrote to stderr what is no log record (a panic, a race?):\n%s", strings.Join(noise, "\n"))
		}
	})
	return p
}

func startEcho(t *testing.T, args ...string) *program {
	t.Helper()
	return start(t, nil, append([]string{"echo", "--listen", "127.0.0.1:0", "--drain", "1s"}, args...)...)
}

// wait waits for the end of the program and returns its exit code.
func (p *program) wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatalf("roost did not end within %v", patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

// get asks url and returns the status and body.
func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	client := http.Client{Timeout: patience}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// feed is what a child process says, kept in order. Waiting looks at all of it,
// so that nothing said early is missed.
type feed[T any] struct {
	mu    sync.Mutex
	items []T
	ended bool
	news  chan struct{} // closed and replaced when something is added
}

func newFeed[T any]() *feed[T] { return &feed[T]{news: make(chan struct{})} }

func (f *feed[T]) put(item T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.items = append(f.items, item)
	close(f.news)
	f.news = make(chan struct{})
}

func (f *feed[T]) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	close(f.news)
	f.news = make(chan struct{})
}

func (f *feed[T]) all() []T {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.items[:len(f.items):len(f.items)]
}

// await returns the first item that matches.
func (f *feed[T]) await(t testing.TB, what string, match func(T) bool) T {
	t.Helper()
	deadline := time.After(patience)
	for seen := 0; ; {
		f.mu.Lock()
		items, ended, news := f.items, f.ended, f.news
		f.mu.Unlock()
		for ; seen < len(items); seen++ {
			if match(items[seen]) {
				return items[seen]
			}
		}
		if ended {
			t.Fatalf("the process ended before %s; it said%s", what, excerpt(items))
		}
		select {
		case <-news:
		case <-deadline:
			t.Fatalf("no %s within %v; got%s", what, patience, excerpt(items))
		}
	}
}

// excerpt is what a process said, a line each, and short enough to leave in sight the
// reason why it is shown: how it began and how it ended.
func excerpt[T any](items []T) string {
	const head, tail, width = 5, 15, 300
	var text strings.Builder
	for i, item := range items {
		if left := len(items) - head - tail; left > 0 && i >= head && i < head+left {
			if i == head {
				fmt.Fprintf(&text, "\n  (%d more)", left)
			}
			continue
		}
		line, err := json.Marshal(item)
		if err != nil {
			line = []byte(err.Error())
		}
		fmt.Fprintf(&text, "\n  %.*s", width, line)
	}
	return text.String()
}

// lines calls each for every line of r.
func lines(r io.Reader, each func(string)) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 64<<20)
	for scanner.Scan() {
		each(scanner.Text())
	}
	io.Copy(io.Discard, r)
}
