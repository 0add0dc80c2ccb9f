package load

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// caller is a connection for calls of an HTTP API, one call at a time.
type caller struct {
	conn  *conn
	since time.Duration // when the call under way was written; 0: none is
	in    []byte        // its response so far
	// answered is told of every answer, which is right.
	answered func(cl *caller, took time.Duration)
}

// openCaller connects a caller.
func (s *Session) openCaller(answered func(*caller, time.Duration)) (*caller, error) {
	before := len(s.conns)
	if err := s.dialOne(); err != nil {
		return nil, err
	}
	if len(s.conns) == before {
		return nil, errors.New("load: the HTTP API cannot be connected to")
	}
	cl := &caller{conn: s.conns[before], answered: answered}
	cl.conn.caller = cl
	for cl.conn.state == connecting {
		if err := s.poll(100 * time.Millisecond); err != nil {
			return nil, err
		}
	}
	if cl.conn.state != open {
		return nil, errors.New("load: the HTTP API cannot be connected to")
	}
	return cl, nil
}

func (s *Session) call(cl *caller, request []byte) {
	cl.since = max(s.clock(), 1)
	s.write(cl.conn, request)
}

// receive collects the response to the call under way.
func (cl *caller) receive(b []byte, now time.Duration) *fault {
	cl.in = append(cl.in, b...)
	head, body, whole := splitHeader(cl.in)
	if !whole {
		return nil
	}
	status, fields, _ := bytes.Cut(head, []byte("\r\n"))
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")) {
		return &fault{Refused, fmt.Sprintf("a call was answered %q", cl.in)}
	}
	length := -1
	for line := range bytes.SplitSeq(fields, []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("Content-Length")) {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		}
	}
	switch {
	case cl.since == 0:
		return &fault{Stranger, fmt.Sprintf("an answer to no call: %q", cl.in)}
	case length < 0 || len(body) > length:
		return &fault{Protocol, fmt.Sprintf("an answer of no clear length: %q", cl.in)}
	case len(body) < length:
		return nil
	case string(body) != "{}":
		return &fault{Corrupt, fmt.Sprintf("a call was answered %q", cl.in)}
	}
	took := now - cl.since
	cl.in, cl.since = cl.in[:0], 0
	cl.answered(cl, took)
	return nil
}
