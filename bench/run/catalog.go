package run

import (
	"cmp"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/roost-ws/roost/bench/scenario"
)

// peer is the file peer.json in a folder of bench/peers.
type peer struct {
	Title    string          `json:"title"`
	Language string          `json:"language"`
	Kind     string          `json:"kind"`   // "go" or "npm"
	Module   string          `json:"module"` // Go module or npm package the version is taken from
	About    string          `json:"about"`
	Does     []scenario.Need `json:"does"`
	Commands [][]string      `json:"commands"` // npm: the first whose program exists is run
	Variants map[string]struct {
		Args  []string        `json:"args"`
		About string          `json:"about"`
		Does  []scenario.Need `json:"does"` // the peer's own when left out
	} `json:"variants"`
}

// Catalog is every server there is, roost's first, and the floor below all of them.
func Catalog(root string) ([]*Server, error) {
	servers := append(roostServers(root), floor(root))
	files, err := filepath.Glob(filepath.Join(root, "bench", "peers", "*", "peer.json"))
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	for _, file := range files {
		found, err := readPeer(root, file)
		if err != nil {
			return nil, err
		}
		servers = append(servers, found...)
	}
	return servers, nil
}

func readPeer(root, file string) ([]*Server, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	var p peer
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, fmt.Errorf("run: %s: %w", file, err)
	}
	dir := filepath.Dir(file)
	family := Another
	if p.Language == "Go" {
		family = GoPeer
	}
	var prepare func(args []string) func(context.Context, *Server) error
	switch p.Kind {
	case "go":
		prepare = func(args []string) func(context.Context, *Server) error {
			return func(ctx context.Context, s *Server) error { return s.prepareGo(ctx, root, dir, p.Module, args) }
		}
	case "npm":
		prepare = func(args []string) func(context.Context, *Server) error {
			return func(ctx context.Context, s *Server) error { return s.prepareNpm(ctx, dir, p.Module, p.Commands, args) }
		}
	default:
		return nil, fmt.Errorf("run: %s: kind %q is neither go nor npm", file, p.Kind)
	}
	name := filepath.Base(dir)
	servers := []*Server{{
		Name: name, Title: p.Title, About: p.About, Family: family, Language: p.Language,
		Does: p.Does, dir: dir, prepare: prepare(nil),
	}}
	for _, variant := range slices.Sorted(maps.Keys(p.Variants)) {
		v := p.Variants[variant]
		does := v.Does
		if does == nil {
			does = p.Does
		}
		servers = append(servers, &Server{
			Name: name + "-" + variant, Title: p.Title + ", " + variant, About: cmp.Or(v.About, p.About),
			Family: family, Language: p.Language, dir: dir, prepare: prepare(v.Args),
			Does: does,
		})
	}
	return servers, nil
}

// Prepare builds or installs the server. A server for which that does not
// work is Missing, which is no error: the report says so.
func (s *Server) Prepare(ctx context.Context) error {
	if s.Missing != "" || s.echo.argv != nil {
		return nil
	}
	err := s.prepare(ctx, s)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		s.Missing = err.Error()
	}
	return nil
}

// binDir holds what is built for a benchmark, below the repository's ignored
// folder for such things.
func binDir(root string) string { return filepath.Join(root, "tmp", "bench", "bin") }

func (s *Server) prepareGo(ctx context.Context, root, dir, module string, args []string) error {
	bin := filepath.Join(binDir(root), "peer-"+filepath.Base(dir))
	if err := command(ctx, dir, "go", "build", "-o", bin, "."); err != nil {
		return err
	}
	info, err := buildinfo.ReadFile(bin)
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	for _, dep := range info.Deps {
		if dep.Path == module {
			s.Version = strings.TrimPrefix(dep.Version, "v")
		}
	}
	s.echo = program{append([]string{bin, "-addr", "{addr}"}, args...), true}
	s.full = s.echo
	return nil
}

func (s *Server) prepareNpm(ctx context.Context, dir, module string, commands [][]string, args []string) error {
	manifest := filepath.Join(dir, "node_modules", module, "package.json")
	if _, err := os.Stat(manifest); errors.Is(err, fs.ErrNotExist) {
		if err := command(ctx, dir, "npm", "ci", "--no-audit", "--no-fund"); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(manifest)
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	var installed struct{ Version string }
	if err := json.Unmarshal(text, &installed); err != nil {
		return fmt.Errorf("run: %s: %w", manifest, err)
	}
	var failed error
	for _, c := range commands {
		path := c[0]
		if strings.Contains(path, "/") {
			path = filepath.Join(dir, path)
		}
		out, err := exec.CommandContext(ctx, path, "--version").Output()
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("run: %s: %w", c[0], err))
			continue
		}
		s.Version = installed.Version
		if v := strings.TrimPrefix(strings.TrimSpace(string(out)), "v"); v != installed.Version {
			s.Version += " on " + filepath.Base(c[0]) + " " + v
		}
		s.echo = program{slices.Concat([]string{path}, c[1:], []string{"-addr", "{addr}"}, args), true}
		s.full = s.echo
		return nil
	}
	return failed
}

func command(ctx context.Context, dir, name string, args ...string) error {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, firstLines(string(out), 4))
	}
	return nil
}

func firstLines(s string, n int) string {
	lines := strings.SplitN(strings.TrimSpace(s), "\n", n+1)
	return strings.Join(lines[:min(n, len(lines))], "; ")
}
