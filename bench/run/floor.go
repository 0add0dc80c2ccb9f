package run

import (
	"context"
	"path/filepath"

	"github.com/roost-ws/roost/bench/scenario"
)

// floor is what no server can be cheaper than: bench/servers/floor.
func floor(root string) *Server {
	return &Server{
		Name: "floor", Title: "the kernel's part", About: "no server: waits, receives, unmasks and sends, without a check or a limit",
		Family: Another, Language: "Go", dir: root, Does: []scenario.Need{scenario.NeedEcho},
		prepare: func(ctx context.Context, s *Server) error {
			bin := filepath.Join(binDir(root), "floor")
			s.full = program{argv: []string{bin, "-addr", "{addr}"}, says: true}
			s.echo = s.full
			s.Version = revision(ctx, root)
			return command(ctx, root, "go", "build", "-o", bin, "./bench/servers/floor")
		},
	}
}
