package run

import (
	"context"

	"github.com/roost-ws/roost/bench/scenario"
)

// Family groups servers for the ratios of a report.
type Family string

// The families.
const (
	Roost   Family = "roost"
	GoPeer  Family = "go"    // a peer written in Go
	Another Family = "other" // a peer written in another language
)

// Server is one way to serve WebSocket connections that can be measured.
type Server struct {
	Name     string `json:"name"`
	Title    string `json:"title"`
	About    string `json:"about"`
	Family   Family `json:"family"`
	Language string `json:"language"`
	Version  string `json:"version,omitempty"` // set by Prepare
	Missing  string `json:"missing,omitempty"` // set by Prepare: why it cannot be measured

	// Does says which parts of the contract of bench/peers it keeps.
	Does []scenario.Need `json:"does"`

	prepare func(ctx context.Context, s *Server) error
	dir     string
	echo    program // serves Echo
	full    program // serves every need; the same as echo for most
}

// program is how a server is started.
type program struct {
	argv []string // {addr} stands for the address; nil before prepare
	says bool     // prints "ready <addr>"
}
