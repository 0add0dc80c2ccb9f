package wire

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/gobwas/ws"
)

var testLimits = Limits{Message: 1000, Fragments: 4}

// A decoder is one pointer, so that an idle connection pays eight bytes for it;
// what hangs on it without a payload stays under half a KiB.
const (
	_ = uint(unsafe.Sizeof(uintptr(0)) - unsafe.Sizeof(Decoder{}))
	_ = uint(bufferMin - unsafe.Sizeof(partial{}))
)

// join glues frames to one stream.
func join(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

func text(fin bool, s string) []byte { return clientFrame(opcode(fin, ws.OpText), testKey, s) }
func blob(fin bool, s string) []byte { return clientFrame(opcode(fin, ws.OpBinary), testKey, s) }
func cont(fin bool, s string) []byte { return clientFrame(opcode(fin, ws.OpContinuation), testKey, s) }
func ping(s string) []byte           { return clientFrame(opcode(true, ws.OpPing), testKey, s) }
func pong(s string) []byte           { return clientFrame(opcode(true, ws.OpPong), testKey, s) }

// streamCase is a row of the tables below: bytes, and what they lead to.
type streamCase struct {
	name string
	in   []byte
	want []outcome
}

func runStreamCases(t *testing.T, lim Limits, cases []streamCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { checkStream(t, lim, c.in, c.want) })
	}
}

// RFC 6455, 5.2 and 5.7: a frame is understood in any of the three lengths.
func TestDecoderFrames(t *testing.T) {
	hello := []outcome{{11, `text "Hello"`}}
	long := func(n int) string { return strings.Repeat("0123456789abcdef", n/16+1)[:n] }
	cases := []streamCase{
		{"text of 5.7", unhex("81 85 37 fa 21 3d 7f 9f 4d 51 58"), hello},
		{"empty text", unhex("81 80 37 fa 21 3d"), []outcome{{6, `text ""`}}},
		{"empty binary", unhex("82 80 37 fa 21 3d"), []outcome{{6, `binary ""`}}},
		{"mask of zeros", unhex("81 81 00 00 00 00 61"), []outcome{{7, `text "a"`}}},
		{"binary is no text", unhex("82 82 00 00 00 00 ff ff"), []outcome{{8, `binary "\xff\xff"`}}},
		{"NUL and DEL", unhex("81 82 00 00 00 00 00 7f"), []outcome{{8, `text "\x00\x7f"`}}},
		{"byte order mark", unhex("81 83 00 00 00 00 ef bb bf"), []outcome{{9, "text " + fmt.Sprintf("%q", "\ufeff")}}},
		{"two messages", join(text(true, "one"), blob(true, "two")), []outcome{{9, `text "one"`}, {18, `binary "two"`}}},
		{"half a header", unhex("81"), nil},
		{"header alone", unhex("81 85 37 fa 21 3d"), nil},
	}
	for _, n := range []int{1, 3, 4, 7, 8, 9, 125, 126, 127, 128, 600} {
		at := n + 6
		if n > 125 {
			at = n + 8
		}
		cases = append(cases, streamCase{fmt.Sprint(n, " bytes"), text(true, long(n)), []outcome{{at, fmt.Sprintf("text %q", long(n))}}})
	}
	runStreamCases(t, testLimits, cases)
}

// RFC 6455, 5.2: lengths of eight bytes, which the cuts at every offset would
// make slow: only the header and a few places of the payload are cut.
func TestDecoderLongFrames(t *testing.T) {
	lim := Limits{Message: 1 << 20, Fragments: 4}
	for _, n := range []int{65535, 65536, 65537, 1 << 20} {
		payload := strings.Repeat("long, “longer”, ", n/16+1)[:n]
		in := blob(true, payload)
		want := []outcome{{len(in), describe(2, false, []byte(payload))}}
		for _, cut := range []int{1, 2, 3, 9, 10, 11, 13, 14, 15, 4096, 65535, len(in) - 1, len(in)} {
			if got := decode(t, lim, in[:cut], in[cut:]); !slices.Equal(got, want) {
				t.Fatalf("%d bytes cut at %d: not the same bytes", n, cut)
			}
		}
		for seed := range uint64(3) {
			if got := decode(t, lim, randomPieces(in, seed)...); !slices.Equal(got, want) {
				t.Fatalf("%d bytes, random pieces %d: not the same bytes", n, seed)
			}
		}
	}
}

// RFC 6455, 5.2: reserved bits and opcodes, and the form of the length.
func TestDecoderHeaderViolations(t *testing.T) {
	var cases []streamCase
	at := func(n, code int) []outcome { return []outcome{{n, fail(code)}} }
	for rsv := 0x10; rsv <= 0x70; rsv += 0x10 {
		for _, first := range []byte{0x81, 0x82, 0x01, 0x88, 0x89, 0x8a} {
			cases = append(cases, streamCase{fmt.Sprintf("rsv %02x on %02x", rsv, first), clientFrame(first|byte(rsv), noKey, ""), at(1, 1002)})
		}
		cases = append(cases, streamCase{fmt.Sprintf("rsv %02x on a continuation", rsv),
			join(text(false, "a"), clientFrame(byte(rsv), noKey, "")), at(8, 1002)})
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		for _, fin := range []byte{0, 0x80} {
			for _, payload := range []string{"", "x"} {
				cases = append(cases, streamCase{fmt.Sprintf("opcode %x fin %x %q", op, fin, payload), clientFrame(fin|op, testKey, payload), at(1, 1002)})
			}
		}
	}
	zeros := strings.Repeat(" 00", 200)
	cases = append(cases, []streamCase{
		{"not masked", unhex("81 05 48 65 6c 6c 6f"), at(2, 1002)},
		{"empty, not masked", unhex("82 00"), at(2, 1002)},
		{"ping not masked", unhex("89 00"), at(2, 1002)},
		{"close not masked", unhex("88 02 03 e8"), at(2, 1002)},
		{"long, not masked", unhex("82 7f 00 00 00 00 00 01 00 00"), at(2, 1002)},
		{"fragment not masked", join(text(false, "a"), unhex("80 01 61")), at(9, 1002)},
		{"5 bytes in a length of 16 bits", unhex("82 fe 00 05 00 00 00 00 01 02 03 04 05"), at(4, 1002)},
		{"125 bytes in a length of 16 bits", unhex("82 fe 00 7d 00 00 00 00" + zeros), at(4, 1002)},
		{"125 bytes of text in a length of 16 bits", unhex("81 fe 00 7d 00 00 00 00" + zeros), at(4, 1002)},
		{"0 bytes in a length of 16 bits", unhex("82 fe 00 00 00 00 00 00"), at(4, 1002)},
		{"5 bytes in a length of 64 bits", unhex("82 ff 00 00 00 00 00 00 00 05 00 00 00 00 01 02 03 04 05"), at(10, 1002)},
		{"65535 bytes in a length of 64 bits", unhex("82 ff 00 00 00 00 00 00 ff ff 00 00 00 00"), at(10, 1002)},
		{"length -1", unhex("82 ff ff ff ff ff ff ff ff ff 37 fa 21 3d 00"), at(10, 1002)},
		{"length -1, no mask yet", unhex("82 ff ff ff ff ff ff ff ff ff"), at(10, 1002)},
		{"length 1<<63", unhex("82 ff 80 00 00 00 00 00 00 00"), at(10, 1002)},
		{"length 1<<63 of text", unhex("81 ff 80 00 00 00 00 00 00 00"), at(10, 1002)},
		{"length 1<<63 of a continuation", join(text(false, "a"), unhex("80 ff 80 00 00 00 00 00 00 00")), at(17, 1002)},
		{"after a good message", join(text(true, "good"), unhex("83 80")), []outcome{{10, `text "good"`}, {11, fail(1002)}}},
	}...)
	runStreamCases(t, testLimits, cases)
}

// RFC 6455, 5.4: fragmentation.
func TestDecoderFragments(t *testing.T) {
	runStreamCases(t, testLimits, []streamCase{
		{"two", join(text(false, "Hel"), cont(true, "lo")), []outcome{{17, `text "Hello"`}}},
		{"binary", join(blob(false, "\xff"), cont(true, "\xfe")), []outcome{{14, `binary "\xff\xfe"`}}},
		{"empty ones", join(text(false, ""), cont(false, ""), cont(true, "")), []outcome{{18, `text ""`}}},
		{"empty last", join(text(false, "a"), cont(true, "")), []outcome{{13, `text "a"`}}},
		{"then whole", join(text(false, "a"), cont(true, "b"), text(true, "c")), []outcome{{14, `text "ab"`}, {21, `text "c"`}}},
		{"then fragments again", join(text(false, "a"), cont(true, "b"), blob(false, "c"), cont(true, "d")), []outcome{{14, `text "ab"`}, {28, `binary "cd"`}}},
		{"open end", join(text(false, "a"), cont(false, "b")), nil},
		{"odd lengths of one mask", join(text(false, "abc"), cont(false, "defgh"), cont(true, "i")), []outcome{{27, `text "abcdefghi"`}}},

		{"continuation first", unhex("80 81 00 00 00 00 61"), []outcome{{1, fail(1002)}}},
		{"continuation first, not final", unhex("00 81 00 00 00 00 61"), []outcome{{1, fail(1002)}}},
		{"continuation after a message", join(text(true, "a"), cont(true, "b")), []outcome{{7, `text "a"`}, {8, fail(1002)}}},
		{"continuation after fragments", join(text(false, "a"), cont(true, "b"), cont(true, "c")), []outcome{{14, `text "ab"`}, {15, fail(1002)}}},
		{"continuation after a ping", join(ping(""), cont(true, "c")), []outcome{{6, `ping ""`}, {7, fail(1002)}}},
		{"text within text", join(text(false, "a"), text(true, "b")), []outcome{{8, fail(1002)}}},
		{"binary within text", join(text(false, "a"), blob(true, "b")), []outcome{{8, fail(1002)}}},
		{"text within empty text", join(text(false, ""), text(false, "b")), []outcome{{7, fail(1002)}}},
		{"text within text, a ping between", join(text(false, "a"), ping(""), text(true, "b")), []outcome{{13, `ping ""`}, {14, fail(1002)}}},
	})
}

// RFC 6455, 5.5: control frames, and their place between fragments.
func TestDecoderControlFrames(t *testing.T) {
	full := strings.Repeat("f", 125)
	nope := func(hex string, at int) streamCase {
		return streamCase{hex[:5], unhex(hex), []outcome{{at, fail(1002)}}}
	}
	runStreamCases(t, testLimits, []streamCase{
		{"ping", unhex("89 82 37 fa 21 3d 5f 93"), []outcome{{8, `ping "hi"`}}},
		{"empty ping", unhex("89 80 37 fa 21 3d"), []outcome{{6, `ping ""`}}},
		{"pong nobody asked for", unhex("8a 82 37 fa 21 3d 5f 93"), []outcome{{8, `pong "hi"`}}},
		{"close", unhex("88 82 37 fa 21 3d 34 12"), []outcome{{8, `close "\x03\xe8"`}}},
		{"125 bytes", ping(full), []outcome{{131, fmt.Sprintf("ping %q", full)}}},
		{"two pings of 125 bytes", join(ping(full), ping("x")), []outcome{{131, fmt.Sprintf("ping %q", full)}, {138, `ping "x"`}}},
		{"control payload is no text", ping("\xff"), []outcome{{7, `ping "\xff"`}}},
		{"between fragments", unhex("01 83 00 00 00 00 61 62 63 89 82 37 fa 21 3d 5f 93 00 80 00 00 00 00 80 83 00 00 00 00 64 65 66"),
			[]outcome{{17, `ping "hi"`}, {32, `text "abcdef"`}}},
		{"several between fragments", join(text(false, "a"), ping("p"), pong("q"), cont(false, "b"), ping("r"), cont(true, "c")),
			[]outcome{{14, `ping "p"`}, {21, `pong "q"`}, {35, `ping "r"`}, {42, `text "abc"`}}},
		{"before the first payload byte", join(text(false, ""), ping(full), cont(true, "x")), []outcome{{137, fmt.Sprintf("ping %q", full)}, {144, `text "x"`}}},
		{"within a character", join(text(false, "\xce"), ping("\xff"), cont(true, "\xba")), []outcome{{14, `ping "\xff"`}, {21, `text "κ"`}}},
		{"close between fragments", join(text(false, "a"), unhex("88 80 00 00 00 00")), []outcome{{13, `close ""`}}},
		{"not counted as a fragment", join(text(false, "a"), ping(""), ping(""), ping(""), ping(""), cont(true, "b")),
			[]outcome{{13, `ping ""`}, {19, `ping ""`}, {25, `ping ""`}, {31, `ping ""`}, {38, `text "ab"`}}},

		nope("09 80 00 00 00 00", 1),
		nope("0a 80 00 00 00 00", 1),
		nope("08 80 00 00 00 00", 1),
		nope("89 fe 00 7e 00 00 00 00", 2),
		nope("88 fe 00 05 00 00 00 00", 2),
		nope("8a ff 00 00 00 00 00 00 00 7e", 2),
	})
}

// RFC 7692, 6 and 6.1: RSV1 marks the first frame of a compressed message, and
// no other frame. The payload is not looked at here.
func TestDecoderCompressed(t *testing.T) {
	lim := testLimits
	lim.Deflate = true
	hello := "\xf2\x48\xcd\xc9\xc9\x07\x00"
	runStreamCases(t, lim, []streamCase{
		{"text", unhex("c1 87 37 fa 21 3d c5 b2 ec f4 fe fd 21"), []outcome{{13, fmt.Sprintf("compressed text %q", hello)}}},
		{"empty", unhex("c1 80 00 00 00 00"), []outcome{{6, `compressed text ""`}}},
		{"long text that is no text", clientFrame(0xc1, testKey, strings.Repeat("\xff", 700)), []outcome{{708, fmt.Sprintf("compressed text %q", strings.Repeat("\xff", 700))}}},
		{"fragments", join(clientFrame(0x41, testKey, hello[:3]), cont(true, hello[3:])), []outcome{{19, fmt.Sprintf("compressed text %q", hello)}}},
		{"plain text after it is plain", join(clientFrame(0xc1, testKey, "\xff"), text(true, "a")), []outcome{{7, `compressed text "\xff"`}, {14, `text "a"`}}},
		{"plain text after its fragments is checked", join(clientFrame(0x41, testKey, "\xff"), cont(true, ""), text(false, "\xff")),
			[]outcome{{13, `compressed text "\xff"`}, {20, fail(1007)}}},
		{"a ping between is not compressed", join(clientFrame(0x42, testKey, "\xff"), ping("p"), cont(true, "")), []outcome{{14, `ping "p"`}, {20, `compressed binary "\xff"`}}},

		{"rsv1 on a continuation", join(clientFrame(0x41, testKey, ""), clientFrame(0xc0, testKey, "")), []outcome{{7, fail(1002)}}},
		{"rsv1 on a continuation of plain text", join(text(false, ""), clientFrame(0xc0, testKey, "")), []outcome{{7, fail(1002)}}},
		{"rsv1 on a ping", unhex("c9 80 00 00 00 00"), []outcome{{1, fail(1002)}}},
		{"rsv1 on a pong", unhex("ca 80 00 00 00 00"), []outcome{{1, fail(1002)}}},
		{"rsv1 on a close", unhex("c8 80 00 00 00 00"), []outcome{{1, fail(1002)}}},
		{"rsv2", unhex("a1 80 00 00 00 00"), []outcome{{1, fail(1002)}}},
		{"rsv3", unhex("91 80 00 00 00 00"), []outcome{{1, fail(1002)}}},
		{"rsv1 and rsv3", unhex("d1 80 00 00 00 00"), []outcome{{1, fail(1002)}}},
	})
}

// The three budgets: bytes of a message, announced and accumulated without
// overflow, and its fragments.
func TestDecoderLimits(t *testing.T) {
	lim := Limits{Message: 10, Fragments: 3}
	ten, eleven := "0123456789", "0123456789x"
	runStreamCases(t, lim, []streamCase{
		{"at the limit", text(true, ten), []outcome{{16, `text "0123456789"`}}},
		{"one above", text(true, eleven), []outcome{{2, fail(1009)}}},
		{"one above, binary", blob(true, eleven), []outcome{{2, fail(1009)}}},
		{"above, 16 bits", unhex("82 fe 00 7e"), []outcome{{4, fail(1009)}}},
		{"above, 64 bits", unhex("82 ff 00 00 00 00 40 00 00 00"), []outcome{{10, fail(1009)}}},
		{"the greatest length", unhex("82 ff 7f ff ff ff ff ff ff ff"), []outcome{{10, fail(1009)}}},
		{"fragments at the limit", join(text(false, ten[:9]), cont(true, ten[9:])), []outcome{{22, `text "0123456789"`}}},
		{"fragments one above", join(text(false, ten[:9]), cont(true, "xx")), []outcome{{17, fail(1009)}}},
		{"accumulated and greatest", join(text(false, "a"), unhex("80 ff 7f ff ff ff ff ff ff ff")), []outcome{{17, fail(1009)}}},
		{"a new message starts from nothing", join(text(false, ten), cont(true, ""), text(true, ten)), []outcome{{22, `text "0123456789"`}, {38, `text "0123456789"`}}},
		{"control frames have their own", join(text(false, ten), ping(eleven), cont(true, "")), []outcome{{33, fmt.Sprintf("ping %q", eleven)}, {39, `text "0123456789"`}}},

		{"fragments, as many as allowed", join(text(false, "a"), cont(false, "b"), cont(true, "c")), []outcome{{21, `text "abc"`}}},
		{"fragments, one more", join(text(false, "a"), cont(false, "b"), cont(false, "c"), cont(true, "d")), []outcome{{22, fail(1008)}}},
		{"empty fragments count", join(text(false, ""), cont(false, ""), cont(false, ""), cont(true, "")), []outcome{{19, fail(1008)}}},
		{"fragments are counted for each message", join(text(false, ""), cont(false, ""), cont(true, ""), text(false, ""), cont(false, ""), cont(true, "")),
			[]outcome{{18, `text ""`}, {36, `text ""`}}},
	})
	runStreamCases(t, Limits{Message: 0, Fragments: 1}, []streamCase{
		{"nothing but empty messages", join(text(true, ""), text(true, "a")), []outcome{{6, `text ""`}, {8, fail(1009)}}},
		{"no fragments", join(text(false, ""), cont(true, "")), []outcome{{7, fail(1008)}}},
	})
	if _, n, _, err := new(Decoder).Next(text(true, "a"), &Limits{Message: -1}); err != ErrMessageTooBig || n != 2 {
		t.Errorf("a negative limit: %v after %d bytes; it must not mean infinity", err, n)
	}
}
