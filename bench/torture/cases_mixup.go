package torture

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"
)

// mixUpCases: what connections share, because one of their own would be dear.
// Rows C12, C13.
func mixUpCases() []Case {
	memory := runDrill("C12/idle", "RFC 7692, 7.1.1", fmt.Sprintf("%d connections with a compressed message each, then silence", idlers),
		"no more live heap than for as many with a plain one, but for 256 KiB and 64 bytes for each", idleMemory).byItself()
	memory.admin = true
	return []Case{
		memory,
		runDrill("C13/crowd", "RFC 7692, 6.1", fmt.Sprintf("%d connections, or as many as the descriptors allow, with random messages, random fragments, random compression, in random writes", crowdSize),
			"every message as it was sent, on its own connection", mixUp).byItself(),
	}
}

const (
	idlers    = 1000
	idleSlack = 256 << 10 // of live heap, for whatever else a server does
	crowdSize = 1000
	crowdSays = 8 // messages of each
)

// idleMemory compares what the server keeps for connections that have compressed
// with what it keeps for those that have not. Neither side takes a context over.
func idleMemory(b *Bench) error {
	const offer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	message := filled(1000)
	plain, err := idleHeap(b, "", dataFrame(opText, message), 0)
	if err != nil {
		return err
	}
	most := plain + idleSlack + 64*idlers
	squeezed, err := idleHeap(b, offer, deflated(opText, message), most)
	if err != nil {
		return err
	}
	if squeezed > most {
		return &mismatch{fmt.Sprintf("%.0f bytes, %.0f for each more than the %.0f without compression", squeezed, (squeezed-plain)/idlers, plain),
			fmt.Sprintf("at most %.0f", most)}
	}
	return nil
}

// idleHeap is the server's live heap while so many connections are open, each
// after one echo; it waits for one that is small enough, or does not become smaller.
func idleHeap(b *Bench, offer string, send Frame, enough float64) (heap float64, err error) {
	defer b.forget()
	want := wantText(string(filled(1000)))
	for range idlers {
		c, err := b.openWith(offer)
		if err != nil {
			return 0, err
		}
		c.write(wireOf(send).Bytes)
		if err := b.expect(c, want); err != nil {
			return 0, err
		}
	}
	operator := newAdmin(b.o.Admin)
	for i := range 6 {
		f, err := operator.figures(context.Background(), true)
		if err != nil {
			return 0, err
		}
		if now := f[heapFigure]; i == 0 || now < heap {
			heap = now
		}
		if i > 1 && heap <= enough {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	return heap, nil
}

// stamp makes a message that says whose it is, and shows when it was changed.
func stamp(r *rand.Rand, conn, seq, size int) []byte {
	p := fmt.Appendf(nil, "%06d %06d ", conn, seq)
	for len(p) < size {
		if r.IntN(4) == 0 {
			p = fmt.Appendf(p, "%x", r.Uint64())
		} else {
			p = fmt.Appendf(p, `{"key":"value %d"},`, r.IntN(50))
		}
	}
	p = append(p, ' ')
	return fmt.Appendf(p, "%08x", crc32.ChecksumIEEE(p))
}

// whose reads a stamp.
func whose(p []byte) string {
	var conn, seq int
	var sum uint32
	if len(p) < 23 {
		return "a message of nobody's"
	}
	body := p[:len(p)-8]
	_, err := fmt.Sscanf(string(body[:14]), "%06d %06d ", &conn, &seq)
	_, bad := fmt.Sscanf(string(p[len(p)-8:]), "%08x", &sum)
	switch {
	case err != nil || bad != nil:
		return "a message of nobody's"
	case sum != crc32.ChecksumIEEE(body):
		return fmt.Sprintf("message %d of connection %d, changed", seq, conn)
	}
	return fmt.Sprintf("message %d of connection %d", seq, conn)
}

// mixUp has many connections use what is pooled at the same time.
func mixUp(b *Bench) error {
	clients, err := assemble(b, crowdSize)
	if err != nil {
		return err
	}
	errs := make([]error, len(clients))
	var all sync.WaitGroup
	for i, c := range clients {
		all.Go(func() { errs[i] = mixes(b, c, i) })
	}
	all.Wait()
	return firstOf(errs)
}

// assemble opens n connections, or as many as this process may have descriptors,
// a few of them without compression.
func assemble(b *Bench, n int) ([]*Client, error) {
	offers := []string{
		"", "permessage-deflate", deflateOffer, "permessage-deflate; client_no_context_takeover",
		"permessage-deflate; server_max_window_bits=10, permessage-deflate", "permessage-deflate; server_no_context_takeover",
	}
	const spare = 32 // for whatever else this process opens meanwhile
	for i := range n {
		_, err := b.openWith(offers[i%len(offers)])
		if i > 2*spare && (errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)) {
			for _, c := range b.clients[i-spare:] {
				c.close()
			}
			return b.clients[:i-spare], nil
		}
		if err != nil {
			return nil, err
		}
	}
	return b.clients, nil
}

// mixes plays one connection of the crowd.
func mixes(b *Bench, c *Client, conn int) error {
	r := rand.New(rand.NewPCG(13, uint64(conn)))
	var z *squeezer
	if c.frames.deflate != nil {
		z = &squeezer{agreed: c.frames.deflate}
	}
	for seq := 0; seq < crowdSays; {
		var w Wire
		var wants []expect
		for range 1 + r.IntN(3) { // so many at once
			message := stamp(r, conn, seq, r.IntN(1<<r.IntN(15)))
			seq++
			wants = append(wants, mixed(r, &w, z, message)...)
		}
		c.chop(w.Bytes, 1+len(w.Bytes)/100+r.IntN(len(w.Bytes)))
		for _, want := range wants {
			if e := c.next(b.o.Timeout); !want.meets(e) {
				got := e.String()
				if e.Kind == Text || e.Kind == Binary {
					got = whose(e.Payload) + want.differ(e)
				}
				return &mismatch{got, want.kind.String() + ", " + whose(want.payload)}
			}
		}
	}
	return b.finish(c, ending{how: alive})
}

// mixed adds a message in whatever form may be, and returns what comes back.
func mixed(r *rand.Rand, w *Wire, z *squeezer, message []byte) (wants []expect) {
	op := []byte{opText, opBinary}[r.IntN(2)]
	payload, squeezed := message, z != nil && r.IntN(3) > 0
	switch {
	case squeezed && r.IntN(8) == 0:
		payload = z.after(message)
	case squeezed:
		payload = z.alone(message, []int{-2, 0, 1, 6, 9}[r.IntN(5)])
	}
	var key [4]byte
	for first := true; first || len(payload) > 0; first = false {
		binary.BigEndian.PutUint32(key[:], r.Uint32())
		n := len(payload)
		if r.IntN(4) > 0 {
			n = r.IntN(n + 1)
		}
		f := Frame{Op: opCont, Mask: key, More: n < len(payload), Payload: payload[:n]}
		if first {
			f.Op = op
			if squeezed {
				f.RSV = rsv1
			}
		}
		f.appendPart(w)
		payload = payload[n:]
		if f.More && r.IntN(8) == 0 {
			masked(ping(string(message[:14])), key).appendPart(w)
			wants = append(wants, wantPong(string(message[:14])))
		}
	}
	return append(wants, wantData(op, message))
}
