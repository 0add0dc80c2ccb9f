package deflate

import (
	"errors"
	"sync"

	"github.com/klauspost/compress/flate"
)

// Levels of effort.
const (
	LevelMin = 1
	LevelMax = 9
)

// Compressor makes payloads. Any number of goroutines may use one; the state
// that the work needs is pooled.
type Compressor struct {
	level   int
	full    sync.Pool                                // of *writer, with a window of 32 KiB
	smaller [windowBitsMax - windowBitsMin]sync.Pool // of *writer, with smaller ones
	after   sync.Pool                                // of *writer, for messages that follow others
}

// NewCompressor returns a Compressor for a level from LevelMin to LevelMax.
func NewCompressor(level int) *Compressor { return &Compressor{level: level} }

// errNoGain stops a compression whose result would be longer than the message.
var errNoGain = errors.New("deflate: no gain")

// writer is a compressor with the memory it writes to.
type writer struct {
	z    *flate.Writer
	out  []byte
	room int // of out, in bytes
}

// Write implements io.Writer for the compressor.
func (w *writer) Write(b []byte) (int, error) {
	if len(b) > w.room-len(w.out) {
		return 0, errNoGain
	}
	w.out = append(w.out, b...)
	return len(b), nil
}

// Append appends the payload that carries message to dst. It reports false,
// with dst as it was, when the payload would not be shorter than the message.
func (c *Compressor) Append(dst, message []byte, p Params) (payload []byte, ok bool) {
	pool := c.pool(len(message), p)
	w, _ := pool.Get().(*writer)
	if w == nil {
		w = c.newWriter(len(message), p)
	}
	w.begin(dst, len(message))
	w.z.Reset(w)
	payload, ok = w.finish(message, len(dst))
	pool.Put(w)
	return payload, ok
}

// begin prepares for a payload behind dst that is to be shorter than n bytes.
func (w *writer) begin(dst []byte, n int) {
	w.out, w.room = dst, len(dst)+n-1+len(tail)
}

// finish compresses the message, behind the had bytes that were there.
func (w *writer) finish(message []byte, had int) (payload []byte, ok bool) {
	_, err := w.z.Write(message)
	if err == nil {
		// "Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail end." RFC 7692, 7.2.1.
		err = w.z.Flush()
	}
	payload = w.out
	w.out = nil
	if err != nil {
		return payload[:had], false
	}
	return payload[:len(payload)-len(tail)], true
}

// fits reports whether no distance in a message of n bytes can be beyond the
// client's window, whoever compresses it.
func (p Params) fits(n int) bool { return n <= 1<<p.windowBits() }

func (c *Compressor) pool(n int, p Params) *sync.Pool {
	if p.windowBits() == windowBitsMax || p.fits(n) {
		return &c.full
	}
	return &c.smaller[p.windowBits()-windowBitsMin]
}

func (c *Compressor) newWriter(n int, p Params) *writer {
	w := new(writer)
	var err error
	if p.windowBits() == windowBitsMax || p.fits(n) {
		w.z, err = flate.NewWriter(w, c.level)
	} else {
		w.z, err = flate.NewWriterWindow(w, 1<<p.windowBits())
	}
	if err != nil {
		panic(err) // a level or a window that there is not: a bug of ours
	}
	return w
}

// Form says for which windows one payload of a message of n bytes serves: those
// with the same Form share it.
func (p Params) Form(n int) int {
	if p.fits(n) {
		return windowBitsMax
	}
	return p.windowBits()
}
