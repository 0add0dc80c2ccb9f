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

// block returns the code of a Markdown file between the fences of a language: the
// first that has all the words.
func block(t *testing.T, file, language string, words ...string) string {
	t.Helper()
	text, err := os.ReadFile("../../" + file)
	if err != nil {
		t.Fatal(err)
	}
next:
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		for _, word := range words {
			if !strings.Contains(m[1], word) {
				continue next
			}
		}
		return m[1]
	}
	t.Fatalf("%s has no %s block with %q", file, language, words)
	return ""
}

// goFile writes a program of a guide where it can be built with this module.
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
	file := goFile(t, block(t, "README.md", "go", "server.New"))
	if out, err := exec.Command("go", "vet", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// The server's quick start, pasted: the page's code in Node hears what both
// backends publish. Only the address differs.
func TestReadmeServer(t *testing.T) {
	env := regexp.MustCompile(`ROOST_APP_\w+=\S+`).FindAllString(block(t, "README.md", "sh", "ROOST_APP_ID"), -1)
	p := start(t, env, "serve", "--listen", "127.0.0.1:0", "--admin", "off", "--drain", "1s")
	host, port, _ := strings.Cut(p.addr, ":")
	here := strings.NewReplacer("localhost:6001", p.addr, "localhost", host, "6001", port)

	page := block(t, "README.md", "js", "pusher-js") + `
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
	publisher := startNode(t, nil, "--input-type=module", "--eval", here.Replace(block(t, "README.md", "js", "secret")))
	subscriber.said.await(t, "event of the Node backend", hears)
	publisher.close()
	heard++

	file := goFile(t, here.Replace(block(t, "README.md", "go", "pusher-http-go")))
	if out, err := exec.Command("go", "run", file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	subscriber.said.await(t, "event of the Go backend", hears)
}

// The guide's snippets, pasted: clients connect with them, and backends publish.
// Only the address differs.
func TestMovingGuide(t *testing.T) {
	const guide = "docs/guides/moving.md"
	env := regexp.MustCompile(`ROOST_APP_\w+=\S+`).FindAllString(block(t, guide, "sh", "ROOST_APP_ID"), -1)
	p := start(t, env, "serve", "--listen", "127.0.0.1:0", "--admin", "off", "--drain", "1s")
	host, port, _ := strings.Cut(p.addr, ":")
	here := strings.NewReplacer("localhost:6001", p.addr, "localhost", host, "6001", port)
	for what, code := range map[string]string{
		"pusher-js": block(t, guide, "js", "pusher-js", "new Pusher") + `pusher.connection.bind('connected', () => console.log('"it works"'));`,
		"Echo":      block(t, guide, "js", "new Echo") + `echo.connector.pusher.connection.bind('connected', () => console.log('"it works"'));`,
		"Node":      block(t, guide, "js", "secret") + `if ((await pusher.trigger('news', 'hello', 'x')).status === 200) console.log('"it works"');`,
	} {
		t.Run(what, func(t *testing.T) {
			n := startNode(t, nil, "--input-type=module", "--eval", here.Replace(code)+"\nprocess.stdin.resume().on('end', () => process.exit());")
			t.Cleanup(n.close)
			n.said.await(t, "success", func(line json.RawMessage) bool { return string(line) == `"it works"` })
		})
	}
	t.Run("Go", func(t *testing.T) {
		file := goFile(t, here.Replace("package main\n\nimport (\n\"log\"\n\n\"github.com/pusher/pusher-http-go/v5\"\n)\n\nfunc main() {\n"+
			block(t, guide, "go", "pusher.Client")+"if err := client.Trigger(\"news\", \"hello\", \"x\"); err != nil {\nlog.Fatal(err)\n}\n}\n"))
		if out, err := exec.Command("go", "run", file).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
}
