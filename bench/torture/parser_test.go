package torture

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// parsed feeds the pieces and describes what came of them.
func parsed(pieces ...[]byte) string {
	var p parser
	var s []string
	for _, b := range pieces {
		for _, e := range p.feed(b) {
			s = append(s, e.String())
		}
	}
	if e, bad := p.end(); bad {
		s = append(s, e.String())
	}
	return strings.Join(s, "; ")
}

// server is a frame as a server sends it.
func server(f Frame) []byte {
	b, _ := bare(f).append(nil)
	return b
}

// Row F35: what a server may send, and what it may not.
func TestParser(t *testing.T) {
	long := strings.Repeat("x", 200)
	for _, c := range []struct {
		in   []byte
		want string // a prefix
	}{
		{server(text("Hello")), `text "Hello"`},
		{server(text("")), `text ""`},
		{server(binaryFrame("\xff")), "binary [ff]"},
		{server(text(long)), "text of 200 bytes"},
		{server(dataFrame(opBinary, noise(70_000))), "binary of 70000 bytes"},
		{server(ping("p")), `ping "p"`},
		{server(pong("")), `pong ""`},
		{server(closing(1000, "")), "close 1000"},
		{server(closing(1009, "too big")), `close 1009 "too big"`},
		{server(data(opClose, "")), "close without code"},
		{cat(server(more(text("a"))), server(ping("p")), server(more(cont(""))), server(cont("b"))), `ping "p"; text "ab"`},
		{cat(server(more(text("\xc3"))), server(cont("\xa9"))), `text "é"`},
		{cat(server(text("a")), server(text("b"))), `text "a"; text "b"`},

		{wireOf(text("Hello")).Bytes, "violation (a server's frame is masked"},
		{server(reserved(text("a"), 0x40)), "violation (reserved bits"},
		{server(reserved(text("a"), 0x20)), "violation (reserved bits"},
		{server(reserved(pong("a"), 0x10)), "violation (reserved bits"},
		{server(data(3, "a")), "violation (reserved opcode 3"},
		{server(data(0xb, "a")), "violation (reserved opcode b"},
		{server(wide(text("a"), 2)), "violation (length 1 in sixteen bits"},
		{server(wide(text(long), 8)), "violation (length 200 in sixty-four bits"},
		{server(announce(text(""), 1<<63)), "violation (the most significant bit"},
		{server(announce(text(""), 1<<40)), "violation (a frame of 1099511627776 bytes"},
		{server(ping(long)), "violation (a control frame of 200 bytes"},
		{server(more(ping("a"))), "violation (a fragmented control frame"},
		{server(cont("a")), "violation (a continuation frame without"},
		{cat(server(more(text("a"))), server(text("b"))), "violation (a new message inside"},
		{server(text("\xff")), "violation (a text message is not UTF-8"},
		{cat(server(more(text("\xc3"))), server(cont("x"))), "violation (a text message is not UTF-8"},
		{server(data(opClose, "\x03")), "violation (a Close frame with a payload of one byte"},
		{server(closing(1005, "")), "violation (a Close frame with code 1005"},
		{server(closing(999, "")), "violation (a Close frame with code 999"},
		{server(closing(1000, "\xff")), "violation (the reason of a Close frame is not UTF-8"},
		{cat(server(closing(1000, "")), server(closing(1000, ""))), "close 1000; violation (bytes after the Close frame"},
		{cat(server(text("a")), server(text("bcd"))[:3]), `text "a"; violation (the stream ends inside a frame`},
		{[]byte{0x81}, "violation (the stream ends inside a frame"},
	} {
		if got := parsed(c.in); !strings.HasPrefix(got, c.want) {
			t.Errorf("% x: %s, want %s", c.in[:min(len(c.in), 20)], got, c.want)
		}
		whole := parsed(c.in)
		for cut := range min(len(c.in), 300) { // the outcome does not depend on how it arrives
			if got := parsed(c.in[:cut], c.in[cut:]); !same(got, whole) {
				t.Errorf("% x cut at %d: %s, want %s", c.in[:min(len(c.in), 20)], cut, got, whole)
			}
		}
	}
}

// same compares up to the bytes that a violation quotes: how many there are yet depends on the cut.
func same(a, b string) bool {
	x, _, _ := strings.Cut(a, "[")
	y, _, _ := strings.Cut(b, "[")
	return x == y
}

// After a violation nothing is reported any more.
func TestParserStopsAtViolation(t *testing.T) {
	var p parser
	p.feed(server(data(3, "")))
	if events := p.feed(server(text("a"))); events != nil {
		t.Errorf("%v after a violation", events)
	}
	if _, bad := p.end(); bad {
		t.Error("a second violation at the end")
	}
}

func cat(b ...[]byte) []byte { return bytes.Join(b, nil) }

// Responses: RFC 9112, and the conventions for refusals.
func TestResponses(t *testing.T) {
	const accepted = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
	for _, c := range []struct{ in, want string }{
		{accepted, "response 101"},
		{"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno", "response 426"},
		{"HTTP/1.1 426 \r\nContent-Length: 0\r\n\r\n", "response 426"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n", "response 200; response 400"},
		{"HTTP/1.1 100 Continue\r\n\r\n" + accepted, "response 100; response 101"},

		{"HTTP/1.0 400 Bad\r\n\r\n", "violation (not a status line"},
		{"HTTP/1.1 400\r\n\r\n", "violation (not a status line"},
		{"HTTP/1.1 4x0 Bad\r\n\r\n", "violation (not a status code"},
		{"\x81\x05Hello", "violation (not an HTTP response"},
		{"HTTP/1.1 400 Bad\r\nX y: 1\r\nContent-Length: 0\r\n\r\n", "violation (not a header field"},
		{"HTTP/1.1 400 Bad\r\nX: \x01\r\nContent-Length: 0\r\n\r\n", "violation (not a header field"},
		{"HTTP/1.1 400 Bad\r\nX: a\nY: b\r\nContent-Length: 0\r\n\r\n", "violation (not a header field"},
		{"HTTP/1.1 400 Bad\r\n\r\n", "violation (a 400 response without a fixed Content-Length"},
		{"HTTP/1.1 400 Bad\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", "violation (a 400 response without a fixed"},
		{"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "violation (a 400 response without a fixed"},
		{"HTTP/1.1 400 Bad\r\nContent-Length: -1\r\n\r\n", "violation (Content-Length"},
		{"HTTP/1.1 101 Yes\r\nContent-Length: 0\r\n\r\n", "violation (a 101 response that announces a body"},
		{"HTTP/1.1 400 Bad\r\nContent-Length: 9\r\n\r\nshort", "violation (the stream ends inside a response"},
	} {
		for cut := range c.in {
			if got := responded(c.in[:cut], c.in[cut:]); !strings.HasPrefix(got, c.want) {
				t.Errorf("%q cut at %d: %s, want %s", c.in, cut, got, c.want)
			}
		}
	}
}

func responded(pieces ...string) string {
	var r responses
	var s []string
	for _, piece := range pieces {
		events, _, _ := r.feed([]byte(piece))
		for _, e := range events {
			s = append(s, e.String())
		}
	}
	if e, bad := r.end(); bad {
		s = append(s, e.String())
	}
	return strings.Join(s, "; ")
}

// RFC 6455, 4.2.2: the fields of a 101, one of each, and nothing that was not offered.
func TestJudge101(t *testing.T) {
	const good = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
	for _, c := range []struct{ fields, wrong string }{
		{good, ""},
		{good + "Sec-WebSocket-Protocol: chat\r\n", ""},
		{strings.Replace(good, "websocket", "WebSocket", 1), ""},
		{strings.Replace(good, "s3p", "S3p", 1), "Sec-WebSocket-Accept"},
		{strings.Replace(good, "Upgrade: websocket\r\n", "", 1), "Upgrade"},
		{strings.Replace(good, "Connection: Upgrade\r\n", "", 1), "Connection"},
		{good + "Upgrade: websocket\r\n", "Upgrade"},
		{good + "Sec-WebSocket-Protocol: superchat\r\n", "Sec-WebSocket-Protocol"},
		{good + "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n", "Sec-WebSocket-Protocol"},
		{good + "Sec-WebSocket-Extensions: permessage-deflate\r\n", "Sec-WebSocket-Extensions"},
	} {
		var r responses
		events, rest, switched := r.feed([]byte("HTTP/1.1 101 Switching Protocols\r\n" + c.fields + "\r\n\x81\x00"))
		if len(events) != 1 || !switched || !bytes.Equal(rest, []byte{0x81, 0}) {
			t.Fatalf("%q: %v, rest % x", c.fields, events, rest)
		}
		got := judge101(events[0], exampleKey, []string{"chat"}, "")
		if (c.wrong == "") != (got == "") || !strings.HasPrefix(got, c.wrong) {
			t.Errorf("%q: %q, want %q", c.fields, got, c.wrong)
		}
	}
	if got := judge101(Event{Kind: Response, Status: 400}, exampleKey, nil, ""); got == "" {
		t.Error("a 400 is taken for a 101")
	}
}

// The vectors of the threat table, byte for byte.
func TestFrameVectors(t *testing.T) {
	for _, c := range []struct {
		f    Frame
		want string
	}{
		{text("Hello"), "81 85 37 fa 21 3d 7f 9f 4d 51 58"},
		{ping("hi"), "89 82 37 fa 21 3d 5f 93"},
		{closing(1000, ""), "88 82 37 fa 21 3d 34 12"},
		{closing(1005, ""), "88 82 37 fa 21 3d 34 17"},
		{data(opClose, "\x03"), "88 81 37 fa 21 3d 34"},
		{closing(1000, "\xff"), "88 83 37 fa 21 3d 34 12 de"},
		{more(text("a")), "01 81 37 fa 21 3d 56"},
		{data(3, ""), "83 80 37 fa 21 3d"},
		{bare(text("Hello")), "81 05 48 65 6c 6c 6f"},
		{wide(masked(binaryFrame("12345"), mask0), 2), "82 fe 00 05 00 00 00 00 31 32 33 34 35"},
		{wide(masked(binaryFrame(""), mask0), 8), "82 ff 00 00 00 00 00 00 00 00 00 00 00 00"},
		{announce(masked(binaryFrame("\x00"), maskK), 1<<64-1), "82 ff ff ff ff ff ff ff ff ff 37 fa 21 3d 37"},
		{reserved(masked(text(""), mask0), 0x70), "f1 80 00 00 00 00"},
	} {
		got, n := c.f.append(nil)
		if fmt.Sprintf("% x", got) != c.want || len(c.f.Payload) != len(got)-n {
			t.Errorf("% x with a header of %d bytes, want %s", got, n, c.want)
		}
	}
}
