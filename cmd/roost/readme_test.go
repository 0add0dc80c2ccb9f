package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// block returns the code of README.md between the fences of a language: the
// first that has all the words.
func block(t *testing.T, language string, words ...string) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
next:
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(readme), -1) {
		for _, word := range words {
			if !strings.Contains(m[1], word) {
				continue next
			}
		}
		return m[1]
	}
	t.Fatalf("README.md has no %s block with %q", language, words)
	return ""
}

// goFile writes a program of the README where it can be built with this module.
func goFile(t *testing.T, source string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// The library's quick start is a program that builds.
func TestReadmeLibrary(t *testing.T) {
	file := goFile(t, block(t, "go", "server.New"))
	if out, err := exec.Command("go", "vet", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// The server's quick start, pasted: the page's code in Node hears what both
// backends publish. Only the address differs.
func TestReadmeServer(t *testing.T) {
	env := regexp.MustCompile(`ROOST_APP_\w+=\S+`).FindAllString(block(t, "sh", "ROOST_APP_ID"), -1)
	p := start(t, env, "serve", "--listen", "127.0.0.1:0", "--admin", "off", "--drain", "1s")
	host, port, _ := strings.Cut(p.addr, ":")
	here := strings.NewReplacer("localhost:6001", p.addr, "localhost", host, "6001", port)

	page := block(t, "js", "pusher-js") + `
pusher.channel('news').bind('pusher:subscription_succeeded', () => console.log('"subscribed"'));
process.stdin.resume().on('end', () => process.exit());
`
	page = strings.Replace(page, "console.log(data)", "console.log(JSON.stringify(data))", 1)
	subscriber := startNode(t, nil, "--input-type=module", "--eval", here.Replace(page))
	t.Cleanup(subscriber.close)
	says := func(what string) func(json.RawMessage) bool {
		return func(line json.RawMessage) bool { return string(line) == what }
	}
	subscriber.said.await(t, "subscription", says(`"subscribed"`))

	heard := 0
	hears := func(json.RawMessage) bool {
		count := 0
		for _, line := range subscriber.said.all() {
			if string(line) == `{"text":"it works"}` {
				count++
			}
		}
		return count > heard
	}
	publisher := startNode(t, nil, "--input-type=module", "--eval", here.Replace(block(t, "js", "secret")))
	subscriber.said.await(t, "event of the Node backend", hears)
	publisher.close()
	heard++

	file := goFile(t, here.Replace(block(t, "go", "pusher-http-go")))
	if out, err := exec.Command("go", "run", file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	subscriber.said.await(t, "event of the Go backend", hears)
}
