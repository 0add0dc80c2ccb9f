package run

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/roost-ws/roost/bench/scenario"
)

// Backends are the servers of the scenarios that are about channels: the
// program people run, and the bare fan-out of package server to compare it with.
func Backends(root string) []*Server {
	return []*Server{
		{
			Name: "serve", Title: "roost serve", About: "the push backend: channels, and an HTTP API to publish with",
			Family: Roost, Language: "Go", dir: root,
			Does: []scenario.Need{scenario.NeedChannels, scenario.NeedPublish},
			prepare: func(ctx context.Context, s *Server) error {
				if err := buildRoost(root, "", "--inline")(ctx, s); err != nil {
					return err
				}
				config, err := writeConfig(root)
				if err != nil {
					return err
				}
				bin := s.echo.argv[0]
				s.full = program{argv: []string{bin, "serve", "--listen", "{addr}", "--admin", "off", "--drain", "1s", "--log-level", "warn", "--config", config}}
				return nil
			},
		},
		{
			Name: scenario.BareFanout, Title: "bare fan-out", About: "package server, with a list of connections and nothing else",
			Family: Another, Language: "Go", dir: root, prepare: buildRoost(root, "", "--inline"),
			Does: []scenario.Need{scenario.NeedPublish},
		},
	}
}

// writeConfig writes the configuration of `roost serve`.
func writeConfig(root string) (path string, err error) {
	path = filepath.Join(binDir(root), "serve.toml")
	app := scenario.PushApp
	text := fmt.Sprintf("[server]\nmax_per_address = \"off\"\n\n[[apps]]\nid = %q\nkey = %q\nsecret = %q\n[apps.limits]\npresence_members = %d\n",
		app.ID, app.Key, app.Secret, scenario.PushMembers)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("run: %w", err)
	}
	return path, nil
}
