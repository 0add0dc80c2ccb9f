package run

import "slices"

// Argv is the command line that serves echoes at {addr}, for whoever starts a
// server somewhere else. It is nil before Prepare.
func (s *Server) Argv() []string { return slices.Clone(s.echo.argv) }
