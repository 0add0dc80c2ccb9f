package wire

import "github.com/gobwas/ws"

// Error is a violation by the peer: the status code that the Close frame
// answers with, and a short sentence for its reason.
type Error struct {
	Code   ws.StatusCode
	Reason string // at most 123 bytes, so that it fits a Close frame
}

func (e *Error) Error() string { return "wire: " + e.Reason }

// One value per cause, so that errors.Is tells them apart and errors.As gives
// the code of any of them.
var (
	ErrReservedBits           = &Error{ws.StatusProtocolError, "reserved bit set without an extension that defines it"}
	ErrReservedOpcode         = &Error{ws.StatusProtocolError, "reserved opcode"}
	ErrControlFragmented      = &Error{ws.StatusProtocolError, "control frame is fragmented"}
	ErrControlTooLong         = &Error{ws.StatusProtocolError, "control frame is longer than 125 bytes"}
	ErrUnexpectedContinuation = &Error{ws.StatusProtocolError, "continuation frame without a message to continue"}
	ErrExpectedContinuation   = &Error{ws.StatusProtocolError, "new message before the last one was finished"}
	ErrUnmasked               = &Error{ws.StatusProtocolError, "client frame is not masked"}
	ErrLengthNotMinimal       = &Error{ws.StatusProtocolError, "length is not encoded in the fewest bytes"}
	ErrLengthTopBit           = &Error{ws.StatusProtocolError, "most significant bit of the length is set"}
	ErrMessageTooBig          = &Error{ws.StatusMessageTooBig, "message is too big"}
	ErrTooManyFragments       = &Error{ws.StatusPolicyViolation, "message has too many fragments"}
	ErrInvalidUTF8            = &Error{ws.StatusInvalidFramePayloadData, "text message is not valid UTF-8"}
	ErrClosePayload           = &Error{ws.StatusProtocolError, "close frame with half a status code"}
	ErrCloseCode              = &Error{ws.StatusProtocolError, "close frame with a status code that must not be sent"}
	ErrCloseReason            = &Error{ws.StatusInvalidFramePayloadData, "close reason is not valid UTF-8"}
)
