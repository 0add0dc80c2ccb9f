package torture

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
)

// filled is n bytes of printable ASCII in which every offset looks different
// from its neighbours, so that a byte lost or a key misapplied shows. All share
// one array and are not to be written to.
func filled(n int) []byte {
	pattern.Lock()
	defer pattern.Unlock()
	for i := len(pattern.bytes); i < n; i++ {
		pattern.bytes = append(pattern.bytes, byte(' '+(i+i/95+i/9025)%95))
	}
	return pattern.bytes[:n:n]
}

var pattern struct {
	sync.Mutex
	bytes []byte
}

// noise is n bytes of every value.
func noise(n int) []byte {
	b := make([]byte, n)
	x := uint32(n) | 1
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

func dataFrame(op byte, payload []byte) Frame {
	return Frame{Op: op, Mask: maskK, Payload: payload}
}

func opName(op byte) string {
	return map[byte]string{opCont: "continuation", opText: "text", opBinary: "binary", opClose: "close", opPing: "ping", opPong: "pong"}[op]
}

// framingCases: every form of the length, with its borders; every key; what a
// text may contain. RFC 6455, 5.2, 5.3, 5.6.
func framingCases() (all []Case) {
	sizes := []int{0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 63, 64, 124, 125, 126, 127, 128, 255, 256, 1024,
		4086, 4088, 4096, 16384, 32768, 65526, 65527, 65528, 65529, 65530, 65534, 65535, 65536, 65537}
	for _, op := range []byte{opText, opBinary} {
		for _, n := range sizes {
			payload := filled(n)
			if op == opBinary {
				payload = noise(n)
			}
			f := dataFrame(op, payload)
			all = append(all, keeps(fmt.Sprintf("F29/%s-%d", opName(op), n), "5.2, 5.6",
				fmt.Sprintf("a %s message of %d bytes in one frame", opName(op), n), []part{f}, wantData(op, payload)))
		}
		for _, size := range []int{1, 7, 997} {
			n := 65536
			if size == 1 {
				n = 2048
			}
			payload := filled(n)
			all = append(all, keeps(fmt.Sprintf("F29/%s-%d-in-writes-of-%d", opName(op), n, size), "5.2",
				fmt.Sprintf("a %s message of %d bytes in writes of %d", opName(op), n, size),
				[]part{dataFrame(op, payload)}, wantData(op, payload)).chopped(size))
		}
	}
	for _, key := range [][4]byte{{}, {1, 0, 0, 0}, {0, 0, 0, 1}, {0xff, 0xff, 0xff, 0xff}, {0x80, 0x7f, 0x01, 0xfe}, maskK} {
		for _, n := range []int{1, 3, 8, 13, 130} {
			p := string(noise(n))
			all = append(all, keeps(fmt.Sprintf("F31/key-%x-%d", key, n), "5.3",
				fmt.Sprintf("a binary message of %d bytes masked with %x", n, key),
				[]part{masked(binaryFrame(p), key)}, wantBinary(p)))
		}
	}
	for name, p := range map[string]string{
		"byte-order-mark": "\ufeff", "nul": "\x00", "delete": "\x7f", "controls": "\x01\x02\x1b[0m\r\n", "html": "<b>&amp;</b>",
	} {
		all = append(all, keeps("F34/text-"+name, "5.6", fmt.Sprintf("the text %q", p), []part{text(p)}, wantText(p)))
	}
	for name, p := range map[string]string{"ff-ff": "\xff\xff", "surrogate": "\xed\xa0\x80", "overlong": "\xc0\x80", "truncated": "\xf0\x9f\x90"} {
		all = append(all, keeps("F25/binary-"+name, "5.6", fmt.Sprintf("the binary message % x, which is not UTF-8", p),
			[]part{binaryFrame(p)}, wantBinary(p)))
	}
	return append(all, pipelinedCases()...)
}

// pipelinedCases: many frames in one segment, and frames that end exactly at,
// before and after the end of a 64 KiB read. Row F30.
func pipelinedCases() (all []Case) {
	var sends []part
	var wants []expect
	for range 10922 {
		sends = append(sends, masked(text(""), mask0))
		wants = append(wants, wantText(""))
	}
	all = append(all, keeps("F30/empty-messages-10922", "5.6", "10,922 empty text frames of six bytes in one write", sends, wants...))
	for _, total := range []int{4095, 4096, 4097, 65535, 65536, 65537} {
		for _, ahead := range []int{0, 1, 6} {
			n := total - 8 - ahead
			first := filled(n)
			rest := strings.Repeat("x", ahead)
			c := keeps(fmt.Sprintf("F30/read-boundary-%d-%d", total, ahead), "5.2",
				fmt.Sprintf("a frame that ends %d bytes before %d, and three small ones", ahead, total),
				[]part{dataFrame(opText, first), text(rest), ping("p"), binaryFrame("z")},
				expect{kind: Text, payload: first}, wantText(rest), wantPong("p"), wantBinary("z"))
			c.talk.apart = true
			all = append(all, c.only(Whole|Splits))
		}
	}
	sends, wants = nil, nil
	for i := range 1000 {
		p := fmt.Sprintf("message %d", i)
		sends, wants = append(sends, text(p)), append(wants, wantText(p))
	}
	all = append(all, keeps("F30/messages-1000", "5.4", "1,000 text messages in one write", sends, wants...))
	big := bytes.Repeat([]byte{0xa5}, 70_000)
	all = append(all, keeps("F30/small-big-small", "5.2", "a small message, one of 70,000 bytes, a small one in one write",
		[]part{text("before"), dataFrame(opBinary, big), text("behind")},
		wantText("before"), expect{kind: Binary, payload: big}, wantText("behind")))
	return all
}
