package torture

import (
	"bytes"
	"compress/flate"
	"sync"
)

// rsv1 marks the first frame of a compressed message. RFC 7692, 6.
const rsv1 = 0x40

// squeezers are compressors by level, from flate.HuffmanOnly on: a new one for
// each message would cost more than the message.
var squeezers [flate.BestCompression - flate.HuffmanOnly + 1]sync.Pool

// squeeze compresses a message: the payload of all its frames.
func squeeze(message []byte, level int) []byte {
	pool := &squeezers[level-flate.HuffmanOnly]
	var b bytes.Buffer
	w, _ := pool.Get().(*flate.Writer)
	if w == nil {
		w = newSqueezer(&b, level, nil)
	}
	w.Reset(&b)
	w.Write(message)
	w.Flush()
	pool.Put(w)
	return b.Bytes()[:b.Len()-4]
}

func newSqueezer(b *bytes.Buffer, level int, past []byte) *flate.Writer {
	w, err := flate.NewWriterDict(b, level, past)
	if err != nil {
		panic(err) // there is no such level
	}
	return w
}

// squeezer is a client's half of permessage-deflate that writes.
type squeezer struct {
	agreed *inflater
	past   []byte // of what was sent compressed; empty when it may not be referred to
}

// after compresses a message that refers to those before, where that was agreed on.
func (z *squeezer) after(message []byte) []byte {
	// A short message behind half a window of others cannot look beyond the window.
	near := z.past[max(0, len(z.past)-z.agreed.reach/2):]
	if len(near) == 0 || len(message) > z.agreed.reach/2 {
		return z.alone(message, 6)
	}
	var b bytes.Buffer
	w := newSqueezer(&b, 6, near)
	w.Write(message)
	w.Flush()
	z.sent(message)
	return b.Bytes()[:b.Len()-4]
}

// alone compresses a message that refers to no other.
func (z *squeezer) alone(message []byte, level int) []byte {
	z.sent(message)
	if len(message) > z.agreed.reach {
		level = flate.HuffmanOnly // the other levels might look further back than was agreed on
	}
	return squeeze(message, level)
}

// sent notes a message that was sent compressed.
func (z *squeezer) sent(message []byte) {
	if z.agreed.remembers {
		z.past = append(z.past, message...)
		z.past = clone(z.past[max(0, len(z.past)-z.agreed.reach):])
	}
}

// bombs are zeros, compressed, by how many they are.
var bombs struct {
	sync.Mutex
	made map[int][]byte
}

// bomb is size zeros, compressed as far as they can be: about a thousandth.
func bomb(size int) []byte {
	bombs.Lock()
	defer bombs.Unlock()
	if b, ok := bombs.made[size]; ok {
		return b
	}
	if bombs.made == nil {
		bombs.made = map[int][]byte{}
	}
	var b bytes.Buffer
	w := newSqueezer(&b, flate.BestCompression, nil)
	zeros := make([]byte, min(size, 1<<20))
	for left := size; left > 0; left -= len(zeros) {
		w.Write(zeros[:min(left, len(zeros))])
	}
	w.Flush()
	bombs.made[size] = b.Bytes()[:b.Len()-4]
	return bombs.made[size]
}

// storedMax is the most that a block which is not compressed holds. RFC 1951, 3.2.4.
const storedMax = 1<<16 - 1

// stored is a message in blocks that are not compressed: with five bytes for
// each, and one at the end.
func stored(message []byte) []byte {
	var b []byte
	for len(message) > 0 {
		n := min(len(message), storedMax)
		b = append(b, 0, byte(n), byte(n>>8), ^byte(n), ^byte(n>>8))
		b = append(b, message[:n]...)
		message = message[n:]
	}
	return append(b, 0)
}

// storedIn is how many bytes stored makes n bytes of, if there is such a message.
func storedIn(n int) int {
	blocks := (n - 1 + storedMax + 4) / (storedMax + 5)
	return n - 1 - 5*blocks
}

// deflated is a compressed message in one frame.
func deflated(op byte, message []byte) Frame { return compressed(op, squeeze(message, 6)) }

// compressed is a frame with RSV1 and a payload that should be compressed.
func compressed(op byte, payload []byte) Frame {
	return Frame{Op: op, RSV: rsv1, Mask: maskK, Payload: payload}
}

// inPieces is a compressed message in fragments of size bytes.
func inPieces(op byte, payload []byte, size int) []part {
	return squeezedFirst(fragmented(op, payload, size))
}

// inShares is a compressed message in n fragments, or as many as it has bytes.
func inShares(op byte, payload []byte, n int) []part {
	n = max(1, min(n, len(payload)))
	var parts []part
	for i := range n {
		f := Frame{Op: opCont, Mask: maskK, More: i < n-1, Payload: payload[len(payload)*i/n : len(payload)*(i+1)/n]}
		if i == 0 {
			f.Op = op
		}
		parts = append(parts, f)
	}
	return squeezedFirst(parts)
}

// squeezedFirst marks the first fragment, and no other: RFC 7692, 6.1.
func squeezedFirst(parts []part) []part {
	parts[0] = reserved(parts[0].(Frame), rsv1)
	return parts
}
