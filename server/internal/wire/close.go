package wire

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// reasonMax is the room that a status code leaves in a Close frame.
const reasonMax = controlMax - 2

// ValidCloseCode reports whether the code may stand in a Close frame:
//
//	1000-1003  defined by RFC 6455, 7.4.1
//	1007-1011  defined by RFC 6455, 7.4.1
//	1012-1014  registered with IANA since
//	3000-3999  for libraries and frameworks, registered with IANA
//	4000-4999  for applications
//
// 1004 has no meaning yet; 1005, 1006 and 1015 "MUST NOT be set as a status
// code in a Close control frame by an endpoint".
func ValidCloseCode(code ws.StatusCode) bool {
	switch {
	case code >= 1000 && code <= 1003:
		return true
	case code >= 1007 && code <= 1014:
		return true
	}
	return code >= 3000 && code <= 4999
}

// ParseClose reads the payload of a Close frame. An empty one says 1005, no
// status received.
func ParseClose(payload []byte) (code ws.StatusCode, reason string, err error) {
	if len(payload) == 0 {
		return ws.StatusNoStatusRcvd, "", nil
	}
	// "If there is a body, the first two bytes of the body MUST be a 2-byte
	// unsigned integer." RFC 6455, 5.5.1.
	if len(payload) == 1 {
		return 0, "", ErrClosePayload
	}
	code = ws.StatusCode(binary.BigEndian.Uint16(payload))
	if !ValidCloseCode(code) {
		return 0, "", ErrCloseCode
	}
	if !ValidUTF8(payload[2:]) {
		return 0, "", ErrCloseReason
	}
	return code, string(payload[2:]), nil
}

// AppendClose appends a Close frame. A reason that is too long is cut between
// two characters, and what is not UTF-8 in it is replaced. 1005 gives the Close
// frame without a status, which is what ParseClose reads as 1005.
func AppendClose(dst []byte, code ws.StatusCode, reason string) []byte {
	if code == ws.StatusNoStatusRcvd {
		return AppendHeader(dst, ws.OpClose, 0)
	}
	reason = cutReason(strings.ToValidUTF8(reason, "\uFFFD"))
	dst = AppendHeader(dst, ws.OpClose, 2+len(reason))
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, reason...)
}

// cutReason shortens valid UTF-8 to reasonMax bytes or a few less.
func cutReason(s string) string {
	if len(s) <= reasonMax {
		return s
	}
	end := reasonMax
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
