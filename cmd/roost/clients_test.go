package main

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"
)

// clientsDir holds what the Node clients are; .ci/setup fills its node_modules.
const clientsDir = "testdata/clients"

// require finds one of the programs names in PATH. A test that needs a client
// this machine does not have is skipped, except where it counts: make test and
// continuous integration set ROOST_REQUIRE_CLIENTS or CI.
func require(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	missing(t, names[len(names)-1])
	return ""
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("ROOST_REQUIRE_CLIENTS") != "" || os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: run make deps", what)
	}
	t.Skipf("%s is missing: run make deps", what)
}

// node is a running Node program that takes JSON lines and says JSON lines.
type node struct {
	cmd   *exec.Cmd
	mu    sync.Mutex // guards stdin, one command at a time
	stdin io.WriteCloser
	said  *feed[json.RawMessage] // nil where somebody else listens
	done  chan struct{}
}

// listener hears the lines that a program says, and that it has ended.
type listener interface {
	put(line json.RawMessage)
	end()
}

// startNode runs a script of clientsDir and keeps what it says.
func startNode(t *testing.T, env []string, script string, args ...string) *node {
	t.Helper()
	said := newFeed[json.RawMessage]()
	n := runNode(t, said, env, script, args...)
	n.said = said
	return n
}

// runNode runs a script of clientsDir for a listener.
func runNode(t *testing.T, to listener, env []string, script string, args ...string) *node {
	t.Helper()
	path := require(t, "node")
	if _, err := os.Stat(clientsDir + "/node_modules/.package-lock.json"); err != nil {
		missing(t, "the npm packages of cmd/roost/"+clientsDir)
	}
	n := &node{cmd: exec.Command(path, append([]string{script}, args...)...), done: make(chan struct{})}
	n.cmd.Dir = clientsDir
	n.cmd.Env = append(os.Environ(), env...)
	n.cmd.Stderr = os.Stderr
	stdout, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if n.stdin, err = n.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		lines(stdout, func(line string) { to.put(json.RawMessage(line)) })
		n.cmd.Wait()
		to.end()
		close(n.done)
	}()
	return n
}

// send gives the program one command.
func (n *node) send(t *testing.T, command any) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := json.NewEncoder(n.stdin).Encode(command); err != nil {
		t.Fatal(err)
	}
}

// close ends the program: it leaves when its input does.
func (n *node) close() {
	n.stdin.Close()
	select {
	case <-n.done:
	case <-time.After(patience):
		n.cmd.Process.Kill()
		<-n.done
	}
}

// browser is headless Chromium, started by the first test that asks and shared
// by all: each page has a context of its own.
type browser struct {
	node    *node
	started chan struct{} // closed by its first line
	ended   chan struct{} // closed with its output

	mu      sync.Mutex // guards what follows
	id      int
	tabs    int
	answers map[int]chan answer         // of commands that are under way
	pages   map[string]*feed[happening] // what pages say by themselves
}

// answer is what browser.js says to a command.
type answer struct {
	Value json.RawMessage
	Error string
}

// put hands a line to whom it is for.
func (b *browser) put(line json.RawMessage) {
	var said struct {
		ID    int
		Page  string
		Event *happening
		answer
	}
	if json.Unmarshal(line, &said) != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	page, waits := b.pages[said.Page], b.answers[said.ID]
	switch {
	case said.Event != nil && page != nil:
		page.put(*said.Event)
	case said.Event == nil && said.ID == 0:
		close(b.started)
	case said.Event == nil && waits != nil:
		waits <- said.answer
		delete(b.answers, said.ID)
	}
}

func (b *browser) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ended)
	for _, page := range b.pages {
		page.end()
	}
}

var shared struct {
	sync.Mutex
	browser *browser
}

func chromium(t *testing.T) *browser {
	t.Helper()
	path := require(t, os.Getenv("CHROMIUM"), "google-chrome", "chromium-browser", "chromium")
	shared.Lock()
	defer shared.Unlock()
	if shared.browser != nil {
		return shared.browser
	}
	env := []string{"CHROMIUM=" + path, "TIMEOUT_MS=" + strconv.Itoa(int(patience/time.Millisecond))}
	b := &browser{
		started: make(chan struct{}), ended: make(chan struct{}),
		answers: make(map[int]chan answer), pages: make(map[string]*feed[happening]),
	}
	b.node = runNode(t, b, env, "browser.js")
	select {
	case <-b.started:
	case <-b.ended:
		t.Fatal("Chromium does not start")
	case <-time.After(2 * patience): // browser.js gives up after half of it, and says why
		b.node.cmd.Process.Kill()
		t.Fatalf("Chromium did not start within %v", 2*patience)
	}
	shared.browser = b
	return b
}

func closeBrowser() {
	shared.Lock()
	defer shared.Unlock()
	if shared.browser != nil {
		shared.browser.node.close()
	}
}

// tab is one page of the browser.
type tab struct {
	browser *browser
	name    string
	said    *feed[happening]
}

// open loads url in a new page, and closes it when the test ends.
func (b *browser) open(t *testing.T, url string, size ...int) *tab {
	t.Helper()
	command := map[string]any{"url": url}
	if len(size) == 2 {
		command["width"], command["height"] = size[0], size[1]
	}
	return b.load(t, command)
}

// load is open with everything that browser.js can be told about a page.
func (b *browser) load(t *testing.T, command map[string]any) *tab {
	t.Helper()
	b.mu.Lock()
	b.tabs++
	p := &tab{b, "page" + strconv.Itoa(b.tabs), newFeed[happening]()}
	b.pages[p.name] = p.said
	b.mu.Unlock()
	command["do"] = "open"
	p.do(t, command)
	t.Cleanup(func() { p.do(t, map[string]any{"do": "close"}) })
	return p
}

// do gives the browser a command about this page and returns the answer's value.
func (p *tab) do(t *testing.T, command map[string]any) json.RawMessage {
	t.Helper()
	b, waits := p.browser, make(chan answer, 1)
	b.mu.Lock()
	b.id++
	command["id"], command["page"] = b.id, p.name
	b.answers[b.id] = waits
	b.mu.Unlock()
	b.node.send(t, command)
	select {
	case got := <-waits:
		if got.Error != "" {
			t.Fatalf("Chromium: %v: %s", command["do"], got.Error)
		}
		return got.Value
	case <-b.ended:
		t.Fatalf("Chromium ended before it answered to %v", command)
	case <-time.After(2 * patience): // it gives up after half of it, and says why
		t.Fatalf("Chromium did not answer within %v to %v", 2*patience, command)
	}
	return nil
}

// eval runs code in the page, waits for its promise, and decodes the result.
func (p *tab) eval(t *testing.T, code string, result any) {
	t.Helper()
	value := p.do(t, map[string]any{"do": "eval", "code": code})
	if result == nil {
		return
	}
	if err := json.Unmarshal(value, result); err != nil {
		t.Fatalf("Chromium said %s: %v", value, err)
	}
}

// wait waits until the expression is true in the page.
func (p *tab) wait(t *testing.T, expression string) {
	t.Helper()
	p.do(t, map[string]any{"do": "wait", "code": expression})
}

// quiet fails the test when the page threw something.
func (p *tab) quiet(t *testing.T) {
	t.Helper()
	var faults []string
	if err := json.Unmarshal(p.do(t, map[string]any{"do": "faults"}), &faults); err != nil {
		t.Fatal(err)
	}
	if len(faults) > 0 {
		t.Errorf("the page threw: %q", faults)
	}
}
