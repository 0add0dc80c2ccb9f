package torture

import (
	"bytes"
	"fmt"
	"sync"
)

// deflateTable: every parameter, with sizes of messages from 16 bytes to 128 KiB,
// whole and in fragments, several in a row. Rows C10, C11.
func deflateTable() (all []Case) {
	const fallback = ", permessage-deflate"
	offers := []string{
		"permessage-deflate",
		"permessage-deflate; client_max_window_bits",
		"permessage-deflate; server_no_context_takeover",
		"permessage-deflate; client_no_context_takeover",
		"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
		"permessage-deflate; client_max_window_bits=9; server_max_window_bits=9; server_no_context_takeover; client_no_context_takeover" + fallback,
	}
	for bits := 8; bits <= 15; bits++ {
		offers = append(offers, fmt.Sprintf("permessage-deflate; server_max_window_bits=%d%s", bits, fallback),
			fmt.Sprintf("permessage-deflate; client_max_window_bits=%d; server_max_window_bits=%d%s", bits, bits, fallback))
	}
	for i, offer := range offers {
		for _, size := range []int{16, 64, 256, 1 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10, 128 << 10} {
			for _, pieces := range []int{1, 16} {
				all = append(all, tableCase(i, offer, size, pieces))
			}
		}
	}
	return all
}

// tableCase sends messages of a size: text and binary, what repeats and what does not.
func tableCase(i int, offer string, size, pieces int) Case {
	name := fmt.Sprintf("5 messages of %d bytes in %d frames each, compressed", size, pieces)
	c := lazily(func() Case {
		var parts []part
		var want []expect
		for _, m := range tableMessages(size) {
			parts = append(parts, inPieces(m.op, m.squeezed, len(m.squeezed)/pieces+1)...)
			want = append(want, wantData(m.op, m.message))
		}
		return keeps(fmt.Sprintf("C11/table-%d-%d-in-%d", i, size, pieces), "RFC 7692, 7", offer+": "+name, parts, want...).
			offering(offer).only(Whole)
	})
	c.heavy = size > 8<<10
	return c
}

// tableMessage is one of those that are the same for every offer.
type tableMessage struct {
	op                byte
	message, squeezed []byte
}

var tableMade struct {
	sync.Mutex
	bySize map[int][]tableMessage
}

func tableMessages(size int) []tableMessage {
	tableMade.Lock()
	defer tableMade.Unlock()
	if tableMade.bySize == nil {
		tableMade.bySize = map[int][]tableMessage{}
	}
	if all := tableMade.bySize[size]; all != nil {
		return all
	}
	var all []tableMessage
	for j, level := range []int{6, 1, 9, 0, -2} {
		op, message := byte(opText), bytes.Clone(filled(size + j)[j:])
		switch j {
		case 1:
			op, message = opBinary, noise(size)
		case 2: // repeated from far away
			op, message = opBinary, append(noise(size/2), noise(size/2)...)
		}
		all = append(all, tableMessage{op, message, squeeze(message, level)})
	}
	tableMade.bySize[size] = all
	return all
}

// deflateOffers: what may be accepted, and what must be declined, without the
// good offer beside it. Row C10.
func deflateOffers(o *Options) (all []Case) {
	offered := func(offer string) request { return o.request().with("Sec-WebSocket-Extensions: " + offer) }
	for _, bad := range []string{
		"server_max_window_bits=7", "server_max_window_bits=16", "server_max_window_bits=015", "server_max_window_bits=\"\"", "server_max_window_bits",
		"server_max_window_bits=-9", "server_max_window_bits=9; server_max_window_bits=9", "server_max_window_bits=1e1",
		"client_max_window_bits=7", "client_max_window_bits=16", "client_max_window_bits=08", "client_max_window_bits; client_max_window_bits",
		"server_max_window_bits=0", "server_max_window_bits=+9", "server_max_window_bits=9.0", "server_max_window_bits=99999999999999999999",
		"client_max_window_bits=\"\"", "client_max_window_bits=-9", "client_max_window_bits=0x9",
		"server_no_context_takeover=1", "client_no_context_takeover=\"true\"", "server_no_context_takeover; server_no_context_takeover", "unknown", "unknown=1",
	} {
		// The answer must be to the second offer, if any: judge101 sees to that.
		for id, offer := range map[string]string{"bad": "permessage-deflate; " + bad, "bad-then-good": "permessage-deflate; " + bad + ", permessage-deflate"} {
			_, list := parseExtensions(offer) // what is none offers nothing
			all = append(all, mayAccept("C10/"+id+"-"+short(bad), "RFC 7692, 7.1", "the offer "+offer, offered(offer), 400).
				with(func(k *knock) { k.extensions, k.extended = offer, list && id != "bad" }).only(Whole))
		}
	}
	for _, good := range []string{
		"server_max_window_bits=10", "server_max_window_bits=\"10\"", "client_max_window_bits=15; server_no_context_takeover", "client_no_context_takeover",
	} {
		offer := "permessage-deflate; " + good
		all = append(all, accepts("C10/good-"+short(good), "RFC 7692, 7.1", "the offer "+offer, offered(offer)).
			with(func(k *knock) { k.extensions = offer }).only(Whole))
	}
	return all
}
