package server

import (
	"errors"
	"fmt"

	"github.com/gobwas/ws"
	"github.com/roost-ws/roost/server/internal/engine"
)

var (
	// ErrClosed is returned by calls on a connection that is closed or closing.
	ErrClosed = engine.ErrClosed

	// ErrSlowConsumer is returned by Send when the connection's outbound queue is
	// at Limits.Outbound: the message was not queued. With the policy CloseSlow the
	// connection is closed as well.
	ErrSlowConsumer = errors.New("slow consumer: the outbound queue is full")

	// ErrServerClosed is returned by calls on a server after Shutdown or Close.
	ErrServerClosed = errors.New("server: closed")

	// ErrTimeout is the Err of a CloseError when a peer let a deadline pass.
	ErrTimeout = errors.New("deadline passed")

	// ErrOverload is the Err of a CloseError when the connection held much and the
	// server had to get memory back: Limits.Held.
	ErrOverload = errors.New("the server is short of memory")

	// ErrControlTooLong is returned by Ping for more than 125 bytes of payload. RFC 6455, 5.5.
	ErrControlTooLong = errors.New("a control frame carries 125 bytes at most")
)

// StatusCode says why a connection was closed. RFC 6455, 7.4.
type StatusCode = ws.StatusCode

const (
	StatusNormal        StatusCode = ws.StatusNormalClosure           // 1000
	StatusGoingAway     StatusCode = ws.StatusGoingAway               // 1001
	StatusProtocolError StatusCode = ws.StatusProtocolError           // 1002
	StatusNone          StatusCode = ws.StatusNoStatusRcvd            // 1005: the peer's Close named no code
	StatusAbnormal      StatusCode = ws.StatusAbnormalClosure         // 1006: there was no Close frame
	StatusInvalidData   StatusCode = ws.StatusInvalidFramePayloadData // 1007
	StatusPolicy        StatusCode = ws.StatusPolicyViolation         // 1008
	StatusTooBig        StatusCode = ws.StatusMessageTooBig           // 1009
	StatusInternalError StatusCode = ws.StatusInternalServerError     // 1011
	StatusTryAgainLater StatusCode = 1013
)

// CloseError says how a connection ended. Of what Conn.Close was given it
// repeats what was sent.
type CloseError struct {
	Code   StatusCode
	Reason string
	Remote bool  // the peer's words; otherwise ours
	Err    error // what broke the connection when no Close frame did, or nil
}

func (e *CloseError) Error() string {
	who := "closed"
	if e.Remote {
		who = "closed by peer"
	}
	text := fmt.Sprintf("%s: %d", who, e.Code)
	if e.Reason != "" {
		text += " " + e.Reason
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns e.Err.
func (e *CloseError) Unwrap() error { return e.Err }
