// Command roost-bench compares roost with other WebSocket servers: it builds
// and starts each one as a child process, loads all of them in the same way in
// interleaved rounds, checks every byte that comes back and prints what they
// cost.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/roost-ws/roost/bench/load"
	"github.com/roost-ws/roost/bench/run"
)

type cli struct {
	Root string `help:"Root of the roost source tree; found from the working directory by default." env:"ROOST_ROOT" type:"path"`

	Compare  compareCmd  `cmd:"" help:"Measure the usual scenarios at every server."`
	Run      runCmd      `cmd:"" help:"Measure one scenario at some servers."`
	Idle     idleCmd     `cmd:"" help:"Measure what idle connections cost."`
	Million  millionCmd  `cmd:"" help:"Hold a million idle connections and have every one answer."`
	Push     pushCmd     `cmd:"" help:"Measure WebSocket against server-sent events, long polling and polling."`
	Channels channelsCmd `cmd:"" help:"Measure roost serve: clients with subscriptions, and events that come in over HTTP."`
	Smoke    smokeCmd    `cmd:"" help:"Try every scenario for a moment: does the benchmark itself work?"`
	Report   reportCmd   `cmd:"" help:"Show results again: table, page, charts, Markdown."`
	List     listCmd     `cmd:"" help:"Show the servers and scenarios there are."`
	Soak     soakCmd     `cmd:"" help:"Serve a mixed crowd for an hour: does anything grow?"`
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == run.WorkerCommand {
		exit(load.Serve(os.Stdin, os.Stdout))
	}
	var c cli
	parser := kong.Parse(&c, kong.Name("roost-bench"), kong.UsageOnError(),
		kong.Description("Compares WebSocket servers under the same checked load."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	parser.BindTo(ctx, (*context.Context)(nil))
	if c.Root == "" {
		c.Root = findRoot()
	}
	err := parser.Run(&c)
	if ctx.Err() != nil {
		err = errors.New("interrupted; every child process was stopped")
	}
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "roost-bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// findRoot looks for the source tree, which the servers are built from, in
// the working directory and above.
func findRoot() string {
	dir, err := os.Getwd()
	if err != nil {
		return "."
	}
	for d := dir; ; d = filepath.Dir(d) {
		text, err := os.ReadFile(filepath.Join(d, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module github.com/roost-ws/roost\n") {
			return d
		}
		if d == filepath.Dir(d) {
			return dir
		}
	}
}
