package server

import (
	"fmt"
	"net"

	"github.com/roost-ws/roost/server/internal/sys"
)

// NewListener listens on an address as Server.Listen does, for what else a
// program serves: the socket file of a process that is gone is replaced.
func NewListener(network, addr string) (net.Listener, error) {
	ln, err := sys.NewListener(network, addr)
	if err != nil {
		return nil, fmt.Errorf("server: %w", err) // it says "listen" and where
	}
	return ln, nil
}
