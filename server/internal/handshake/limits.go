package handshake

import "cmp"

// Limits bound a request head. Zero means the default.
type Limits struct {
	Bytes  int // the whole head, with the blank line that ends it; default 8192, beyond: 431
	Target int // the request target alone; default 4096, beyond: 414
	Fields int // header field lines; default 100, beyond: 431
}

const (
	defaultBytes  = 8192
	defaultTarget = 4096
	defaultFields = 100
)

func (l Limits) orDefault() Limits {
	return Limits{
		Bytes:  cmp.Or(l.Bytes, defaultBytes),
		Target: cmp.Or(l.Target, defaultTarget),
		Fields: cmp.Or(l.Fields, defaultFields),
	}
}
