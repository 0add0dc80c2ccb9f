package run

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// Start starts the server and waits until it accepts connections.
func (s *Server) Start(ctx context.Context, more ...string) (p *Process, addr string, err error) {
	if addr, err = FreeAddr(); err != nil {
		return nil, "", err
	}
	argv := slices.Clone(s.argv)
	for i, a := range argv {
		argv[i] = strings.ReplaceAll(a, "{addr}", addr)
	}
	p, err = Start(Spec{Argv: append(argv, more...), Dir: s.dir})
	if err != nil {
		return nil, "", err
	}
	if err := p.WaitReady(ctx, addr, s.says); err != nil {
		return nil, "", errors.Join(err, p.Stop())
	}
	return p, addr, nil
}
