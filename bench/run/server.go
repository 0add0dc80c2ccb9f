package run

import "context"

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

	prepare func(ctx context.Context, s *Server) error
	argv    []string // set by prepare; {addr} stands for the address
	dir     string
	says    bool // prints "ready <addr>"
}
