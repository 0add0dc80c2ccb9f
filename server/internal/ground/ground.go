// Package ground puts servers on another kernel than the machine's: tests of the
// packages above server run whole servers of theirs in simulation by it.
//
// Package server fills the two functions in when it is initialised. They take what
// they are given as any, because this package is below server; what is not what
// they want makes them panic. Nothing but tests calls them.
package ground

import "github.com/roost-ws/roost/server/internal/sys"

// Ground is what a server stands on.
type Ground struct {
	Kernel     sys.Kernel
	Submit     func(task func()) error // has a worker run the task
	ReadBuffer int                     // what one read can take
}

// Server is a server that stands on a Ground, where nobody may wait but through
// the scheduler: the methods of the real one without their waits.
type Server interface {
	// ListenSoon has the server accept on fd, and told called with what came of it.
	ListenSoon(fd int, told func(error))
	// ShutdownSoon stops accepting, and tells all clients at once to go.
	ShutdownSoon()
	// CloseSoon ends the server and every connection.
	CloseSoon()
}

var (
	// Put has a server of config, a *server.Config, stand on the ground.
	Put func(config any, on Ground)
	// Of returns what a *server.Server is there.
	Of func(server any) Server
)
