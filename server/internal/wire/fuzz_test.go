package wire

import (
	"bytes"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// fuzzFirst are the first bytes that shape picks from: mostly legal ones, so
// that a few bytes of input reach deep into a conversation.
var fuzzFirst = [16]byte{0x81, 0x82, 0x01, 0x01, 0x02, 0x00, 0x00, 0x80, 0x80, 0x89, 0x8a, 0x88, 0xc1, 0x41, 0xc0, 0x84}

// shape reads a script of frames: two bytes of choices and a payload each. The
// frames are well formed, which what a fuzzer invents seldom is.
func shape(script []byte) (in []byte) {
	for len(script) >= 2 {
		kind, n := script[0], int(script[1])
		if kind&0x40 != 0 {
			n *= 3
		}
		script = script[2:]
		n = min(n, len(script))
		key := testKey
		if kind&0x20 != 0 {
			key = noKey
		}
		in = append(in, clientFrame(fuzzFirst[kind&15], key, string(script[:n]))...)
		script = script[n:]
	}
	return in
}

// FuzzFrames holds the decoder against the model: the same events, the same
// status code, decided at the same byte, however the stream is cut; and in
// every state at most the memory that the received bytes justify.
func FuzzFrames(f *testing.F) {
	raw := func(hex string) { f.Add(unhex(hex), uint64(1), uint16(200), uint8(4), true, false) }
	raw("81 85 37 fa 21 3d 7f 9f 4d 51 58 89 82 37 fa 21 3d 5f 93 88 82 37 fa 21 3d 34 12")
	raw("01 83 00 00 00 00 61 62 63 89 82 37 fa 21 3d 5f 93 00 80 00 00 00 00 80 83 00 00 00 00 64 65 66")
	raw("81 8e 37 fa 21 3d f9 40 c0 80 8e 35 a2 f3 8b 34 94 d0 97 7a")
	raw("81 94 00 00 00 00 ce ba e1 bd b9 cf 83 ce bc ce b5 f4 90")
	raw("c1 87 37 fa 21 3d c5 b2 ec f4 fe fd 21 81 81 00 00 00 00 ff")
	raw("41 80 00 00 00 00 c0 80 00 00 00 00")
	raw("82 ff ff ff ff ff ff ff ff ff 37 fa 21 3d 00")
	raw("82 ff 7f ff ff ff ff ff ff ff 37 fa 21 3d 00")
	raw("01 81 00 00 00 00 61 80 ff 7f ff ff ff ff ff ff ff 00 00 00 00")
	raw("82 fe 00 05 00 00 00 00 01 02 03 04 05")
	raw("82 ff 00 00 00 00 00 00 00 05 00 00 00 00 01 02 03 04 05")
	raw("01 80 00 00 00 00 00 80 00 00 00 00 00 80 00 00 00 00 00 80 00 00 00 00 80 80 00 00 00 00")
	raw("8b 80 37 fa 21 3d")
	raw("89 fe 00 7e 00 00 00 00")
	raw("81 05 48 65 6c 6c 6f")
	// Around a limit of 5 bytes and 2 fragments, and around the lengths at
	// which the encoding of the length changes.
	edge := func(message uint16, deflate bool, frames ...[]byte) {
		f.Add(join(frames...), uint64(3), message, uint8(2), deflate, false)
	}
	edge(5, false, text(true, "12345"), text(true, "123456"))
	edge(5, false, text(false, "123"), cont(true, "45"), blob(false, "123"), cont(true, "456"))
	edge(5, false, clientFrame(0xc1, testKey, ""))
	edge(65535, false, text(true, string(make([]byte, 125))), text(true, string(make([]byte, 126))), unhex("82 fe 00 7d"))
	edge(65535, false, unhex("82 ff 00 00 00 00 00 00 ff ff"))
	edge(1000, true, clientFrame(0x42, testKey, "\xff"), ping("p"), cont(true, "\xff"), blob(true, "odd"))
	edge(65535, false, unhex("82 fe 00 7d 00 00 00 00"), make([]byte, 125))
	edge(1000, false, text(false, "\xc3"), cont(true, "abc"))
	edge(1000, false, text(false, "\xc3"), cont(true, "more than one word"))
	edge(1000, false, text(false, "12345678\xc3"), cont(true, ""))
	edge(1000, false, text(false, "\xf0"), cont(true, "\x9f\x90\xa6"), text(false, "\xf4"), cont(true, "\x90"))
	edge(1000, false, text(true, string(make([]byte, unmaskWide))+"\xff"))
	script := func(frames ...string) {
		var b []byte
		for i := 0; i < len(frames); i += 2 {
			b = append(b, frames[i][0], byte(len(frames[i+1])))
			b = append(b, frames[i+1]...)
		}
		f.Add(b, uint64(2), uint16(100), uint8(3), true, true)
	}
	script("\x00", "one", "\x21", "two", "\x00", "a longer text, with “quotes” in it")
	script("\x02", "h\xc3", "\x09", "ping", "\x05", "\xa4l", "\x07", "lo")
	script("\x02", "a", "\x05", "b", "\x05", "c", "\x05", "d")
	script("\x0c", "\xff", "\x00", "\xff")
	script("\x0d", "\xf2\x48", "\x07", "\xcd\xc9", "\x0b", "\x03\xe8")

	f.Fuzz(func(t *testing.T, data []byte, cuts uint64, message uint16, fragments uint8, deflate, shaped bool) {
		in := data[:min(len(data), 4096)]
		if shaped {
			in = shape(in)
		}
		lim := Limits{Message: int(message), Fragments: int(fragments), Deflate: deflate}
		want := model(in, lim)
		for how, pieces := range map[string][][]byte{
			"one piece":    {in},
			"byte by byte": slices.Collect(slices.Chunk(in, 1)),
			"pieces":       randomPieces(in, cuts),
		} {
			if got := decode(t, lim, pieces...); !slices.Equal(got, want) {
				t.Fatalf("%s of % x, limits %+v:\n%s\nmodel\n%s", how, in, lim, show(got), show(want))
			}
		}
	})
}

// FuzzUTF8 holds the incremental validator against the standard library: the
// same verdict, and the same first bad byte wherever the text is cut.
func FuzzUTF8(f *testing.F) {
	for _, bad := range badUTF8 {
		f.Add(append([]byte("eight chars, then "), unhex(bad.hex)...), uint64(1))
	}
	for _, good := range goodUTF8 {
		f.Add([]byte(good), uint64(2))
	}
	f.Fuzz(func(t *testing.T, text []byte, cuts uint64) {
		text = text[:min(len(text), 4096)]
		if ValidUTF8(text) != utf8.Valid(text) {
			t.Fatalf("% x: ValidUTF8 says %v", text, ValidUTF8(text))
		}
		if len(text) <= 64 {
			checkUTF8(t, text)
			return
		}
		var ends []int
		at := 0
		for _, piece := range randomPieces(text, cuts) {
			at += len(piece)
			ends = append(ends, at)
		}
		if got, want := writePieces(text, ends...), slowBad(text); got != want {
			t.Fatalf("% x cut at %v: bad byte %d, want %d", text, ends, got, want)
		}
	})
}

// FuzzClosePayload holds ParseClose against the sentences of RFC 6455, 5.5.1
// and 7.4, and what it accepts against AppendClose.
func FuzzClosePayload(f *testing.F) {
	for _, seed := range []string{"", "\x03", "\x03\xe8", "\x03\xe8bye", "\x03\xed", "\x03\xe8\xff", "\x0f\xa0\xc3\xa4", "\x13\x88", "\x03\xf6"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		payload = payload[:min(len(payload), controlMax)]
		code, reason, err := ParseClose(payload)
		wantCode, wantReason, wantErr := ws.StatusCode(0), "", error(nil)
		switch {
		case len(payload) == 0:
			wantCode = 1005
		case len(payload) == 1:
			wantErr = ErrClosePayload
		case !inCloseCodes(int(payload[0])<<8 | int(payload[1])):
			wantErr = ErrCloseCode
		case !utf8.Valid(payload[2:]):
			wantErr = ErrCloseReason
		default:
			wantCode, wantReason = ws.StatusCode(int(payload[0])<<8|int(payload[1])), string(payload[2:])
		}
		if code != wantCode || reason != wantReason || err != wantErr {
			t.Fatalf("% x: %d %q %v, want %d %q %v", payload, code, reason, err, wantCode, wantReason, wantErr)
		}
		if err == nil {
			if back := AppendClose(nil, code, reason); !bytes.Equal(back[2:], payload) {
				t.Fatalf("% x: written back as % x", payload, back)
			}
		}
	})
}
