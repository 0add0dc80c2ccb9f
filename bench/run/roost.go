package run

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/roost-ws/roost/bench/scenario"
)

// roostServers are roost's two modes, built from the tree.
func roostServers(root string) []*Server {
	return []*Server{
		{
			Name: "roost-inline", Title: "roost, inline", About: "event loops, handlers promise not to block",
			Family: Roost, Language: "Go", dir: root, prepare: buildRoost(root, "", "--inline"),
			Does: []scenario.Need{scenario.NeedEcho, scenario.NeedFanout, scenario.NeedStall, scenario.NeedDeflate, scenario.NeedTLS},
		},
		{
			Name: "roost", Title: "roost", About: "event loops, handlers may block (the default)",
			Family: Roost, Language: "Go", dir: root, prepare: buildRoost(root, ""),
			Does: []scenario.Need{scenario.NeedEcho, scenario.NeedFanout, scenario.NeedStall, scenario.NeedSleep, scenario.NeedDeflate, scenario.NeedTLS},
		},
	}
}

// Ways are the ways in which bench/servers/updates can tell its news, each of so
// many bytes. For the scenario push they are the servers to compare.
func Ways(root string, size int) []*Server {
	var ways []*Server
	for _, w := range []struct {
		name, title, about string
		family             Family
	}{
		{"websocket", "WebSocket", "roost pushes each update over a WebSocket connection", Roost},
		{"sse", "server-sent events", "net/http, one response that never ends", Another},
		{"long-polling", "long polling", "net/http, a request that is answered when there is news", Another},
		{"polling", "polling", "net/http, a request every second", Another},
	} {
		ways = append(ways, &Server{
			Name: w.name, Title: w.title, About: w.about, Family: w.family, Language: "Go", dir: root,
			Does: []scenario.Need{scenario.NeedNews},
			prepare: func(ctx context.Context, s *Server) error {
				bin := filepath.Join(binDir(root), "updates")
				s.full = program{argv: []string{bin, "-addr", "{addr}", "-way", w.name, "-size", strconv.Itoa(size)}, says: true}
				s.echo = s.full
				s.Version = revision(ctx, root)
				return command(ctx, root, "go", "build", "-o", bin, "./bench/servers/updates")
			},
		})
	}
	return ways
}

// AtRevision is one of roost's servers built from a commit instead of the
// tree, so that two states of the code can be compared in one run. Its name
// gets "@" and the revision.
func AtRevision(root string, s *Server, revision string) (*Server, error) {
	if s.Family != Roost {
		return nil, fmt.Errorf("run: only roost can be built from a revision, not %s", s.Name)
	}
	var args []string
	if s.Name == "roost-inline" {
		args = []string{"--inline"}
	}
	at := *s
	at.Name, at.Title = s.Name+"@"+revision, s.Title+" at "+revision
	at.prepare = buildRoost(root, revision, args...)
	return &at, nil
}

// buildRoost builds `roost echo`, which serves where that is all it takes, and
// a program on package server for the rest of the contract.
func buildRoost(root, rev string, args ...string) func(context.Context, *Server) error {
	return func(ctx context.Context, s *Server) (err error) {
		source, suffix := root, ""
		if rev != "" {
			if source, suffix, err = checkOut(ctx, root, rev); err != nil {
				return err
			}
			s.Version = strings.TrimPrefix(suffix, "-")
		} else {
			s.Version = revision(ctx, root)
		}
		echo, full := filepath.Join(binDir(root), "roost"+suffix), filepath.Join(binDir(root), "roost-contract"+suffix)
		if err := command(ctx, source, "go", "build", "-o", echo, "./cmd/roost"); err != nil {
			return err
		}
		if err := command(ctx, source, "go", "build", "-o", full, "./bench/servers/roost"); err != nil {
			return err
		}
		s.echo = program{argv: append([]string{echo, "echo", "--listen", "{addr}"}, args...)}
		s.full = program{argv: append([]string{full, "-addr", "{addr}"}, args...), says: true}
		return nil
	}
}

// checkOut lays a revision's files out below the folder of built things.
func checkOut(ctx context.Context, root, rev string) (dir, suffix string, err error) {
	out, err := exec.CommandContext(ctx, "git", "-C", root, "rev-parse", "--short", "--verify", rev+"^{commit}").Output()
	if err != nil {
		return "", "", fmt.Errorf("there is no revision %q in %s", rev, root)
	}
	commit := strings.TrimSpace(string(out))
	dir = filepath.Join(root, "tmp", "bench", "source", commit)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", "", fmt.Errorf("run: %w", err)
	}
	tar := filepath.Join(dir, ".tar")
	if err := command(ctx, root, "git", "archive", "-o", tar, commit); err != nil {
		return "", "", err
	}
	defer os.Remove(tar)
	return dir, "-" + commit, command(ctx, dir, "tar", "-xf", ".tar")
}

// revision names the tree roost is built from.
func revision(ctx context.Context, root string) string {
	git := func(args ...string) string {
		out, _ := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...).Output()
		return strings.TrimSpace(string(out)) // empty outside a repository
	}
	v := git("rev-parse", "--short", "HEAD")
	if git("status", "--porcelain", "--untracked-files=no", "server", "poller", "cmd/roost") != "" {
		v += " with changes"
	}
	return v
}
