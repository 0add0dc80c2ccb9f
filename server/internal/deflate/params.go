package deflate

import "strconv"

// Params is what a handshake agreed on. The zero value is a connection without
// the extension.
type Params uint8

const (
	windowBitsMin = 8
	windowBitsMax = 15
)

// ParamsMax is the largest value of a Params.
const ParamsMax = windowBitsMax

// windowBits is the base-2 logarithm of the window that the client inflates
// with: "server_max_window_bits". RFC 7692, 7.1.2.1.
func (p Params) windowBits() int { return int(p) }

// On reports whether messages may be compressed.
func (p Params) On() bool { return p != 0 }

// answers holds the response for each size of the window. That neither side
// takes its context over to the next message is said whether the client asked
// for it or not: it may then forget everything between messages, too.
var answers = func() (all [windowBitsMax + 1]string) {
	for bits := windowBitsMin; bits <= windowBitsMax; bits++ {
		all[bits] = name + "; server_no_context_takeover; client_no_context_takeover"
		if bits < windowBitsMax {
			all[bits] += "; server_max_window_bits=" + strconv.Itoa(bits)
		}
	}
	return all
}()
