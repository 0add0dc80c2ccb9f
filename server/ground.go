package server

import "github.com/roost-ws/roost/server/internal/ground"

func init() {
	ground.Put = func(config any, on ground.Ground) {
		cfg := config.(*Config)
		cfg.kernel, cfg.submit, cfg.readBuffer = on.Kernel, on.Submit, on.ReadBuffer
	}
	ground.Of = func(server any) ground.Server { return grounded{server.(*Server)} }
}

// grounded is a Server whose methods do not wait.
type grounded struct{ s *Server }

func (g grounded) ListenSoon(fd int, told func(error)) { g.s.engine.ListenSoon(fd, told) }

func (g grounded) ShutdownSoon() {
	g.s.retire()
	for i := range g.s.Loops() {
		g.s.engine.Post(i, func() {
			for session := range g.s.engine.Sessions(i) {
				session.(*Conn).pipe.Ask()
			}
		})
	}
}

func (g grounded) CloseSoon() {
	g.s.closing.Store(true)
	g.s.engine.StopSoon()
}
