package run

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/roost-ws/roost/bench/scenario"
)

// start starts the server, with the program that serves the need, and waits
// until it accepts connections. also are further things that it is to do; cert
// is for TLS, if that is one of them.
func (s *Server) start(ctx context.Context, need scenario.Need, cert *certificate, also []scenario.Need) (p *Process, addr string, err error) {
	if addr, err = FreeAddr(); err != nil {
		return nil, "", err
	}
	how := s.full
	if need == scenario.NeedEcho {
		how = s.echo
	}
	argv := slices.Clone(how.argv)
	for i, a := range argv {
		argv[i] = strings.ReplaceAll(a, "{addr}", addr)
	}
	for _, n := range also {
		if n == scenario.NeedTLS {
			argv = append(argv, cert.flags()...)
			continue
		}
		argv = append(argv, "--"+string(n))
	}
	if p, err = Start(Spec{Argv: argv, Dir: s.dir}); err != nil {
		return nil, "", err
	}
	if err := p.WaitReady(ctx, addr, how.says); err != nil {
		return nil, "", errors.Join(err, p.Stop())
	}
	return p, addr, nil
}
