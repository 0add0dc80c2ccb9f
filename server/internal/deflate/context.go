package deflate

import "github.com/klauspost/compress/flate"

const (
	// contextBits is the largest window with context takeover, in either
	// direction. It bounds what a Context keeps.
	contextBits = 11
	// contextSent is how many bytes of what was sent are kept for the next
	// message. One as long as that can refer to all of them and to itself without
	// looking beyond the smallest window that was agreed on.
	contextSent = 1 << (contextBits - 1)

	// ContextBytes is the most that a Context keeps.
	ContextBytes = contextSent + 1<<contextBits
)

// Context is what one connection keeps of the messages before, when contexts
// are taken over (RFC 7692, 7.1.1): the end of what was sent compressed, and of
// what came compressed. Each half is for one goroutine at a time.
type Context struct {
	sent, received []byte
}

// keep appends message to the end of what is kept, of which there are n bytes at most.
func keep(kept, message []byte, n int) []byte {
	if kept == nil {
		kept = make([]byte, 0, n)
	}
	if len(message) >= n {
		return append(kept[:0], message[len(message)-n:]...)
	}
	if over := len(kept) + len(message) - n; over > 0 {
		kept = append(kept[:0], kept[over:]...)
	}
	return append(kept, message...)
}

// Sent notes a message that was sent compressed.
func (x *Context) Sent(message []byte, p Params) {
	if p&serverTakeover != 0 {
		x.sent = keep(x.sent, message, min(contextSent, 1<<p.windowBits()/2))
	}
}

// AppendAfter is Append for a message that follows those of a Context.
func (c *Compressor) AppendAfter(x *Context, dst, message []byte, p Params) (payload []byte, ok bool) {
	if len(x.sent) == 0 || len(message) > 1<<p.windowBits()/2 {
		return c.Append(dst, message, p)
	}
	w, _ := c.after.Get().(*writer)
	if w == nil {
		w = new(writer)
		var err error
		if w.z, err = flate.NewWriter(w, c.level); err != nil {
			panic(err) // a level that there is not: a bug of ours
		}
	}
	w.begin(dst, len(message))
	w.z.ResetDict(w, x.sent) // never Reset: it would have the last connection's messages again
	payload, ok = w.finish(message, len(dst))
	c.after.Put(w)
	return payload, ok
}

// InflateAfter is Inflate for a message that follows those of a Context, which
// takes note of it. It is appended to dst, which must be empty, behind what it
// may refer to; only the message is returned, with the memory of both.
func InflateAfter(x *Context, dst, src []byte, limit int, p Params) (message, memory []byte, err error) {
	if p&clientTakeover != 0 {
		dst = append(dst, x.received...)
	}
	from := len(dst)
	memory, err = Inflate(dst, src, limit)
	if err != nil {
		return nil, memory, err
	}
	message = memory[from:]
	if p&clientTakeover != 0 {
		x.received = keep(x.received, message, 1<<contextBits)
	}
	return message, memory, nil
}
