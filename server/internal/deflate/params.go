package deflate

// Params is what a handshake agreed on. The zero value is a connection without
// the extension.
type Params uint8

const (
	windowBitsMin = 8
	windowBitsMax = 15

	maskWindow     Params = 15     // the window that the client inflates with, as a logarithm
	serverTakeover Params = 1 << 4 // we refer to messages that we sent before
	clientTakeover Params = 1 << 5 // so does the client; its window has contextBits at most
)

// Forms is how many values Params.Form has, beginning at 0.
const Forms = windowBitsMax + 1

// windowBits is the base-2 logarithm of the window that the client inflates
// with: "server_max_window_bits". RFC 7692, 7.1.2.1.
func (p Params) windowBits() int { return int(p & maskWindow) }

// On reports whether messages may be compressed.
func (p Params) On() bool { return p != 0 }

// TakesOver reports whether either side refers to the messages before.
func (p Params) TakesOver() bool { return p&(serverTakeover|clientTakeover) != 0 }
