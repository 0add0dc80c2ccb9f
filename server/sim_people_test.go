package server

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gobwas/ws"
	"github.com/roost-ws/roost/server/internal/sim"
)

// The kinds of clients. The first ones keep to the rules and are owed every answer.
var simPeople = []struct {
	name  string
	often int
	live  func(cl *simClient)
}{
	{"polite", 8, (*simClient).polite},
	{"dismissed", 2, (*simClient).dismissed},
	{"panicking", 2, (*simClient).panicking},
	{"half", 2, (*simClient).half},
	{"liar", 6, (*simClient).liar},
	{"stranger", 2, (*simClient).stranger},
	{"abrupt", 3, (*simClient).abrupt},
	{"mute", 2, (*simClient).mute},
	{"deaf", 2, (*simClient).hardOfHearing},
	{"dawdler", 2, (*simClient).dawdler},
	{"stubborn", 2, (*simClient).stubborn},
	{"blind", 2, (*simClient).blind},
	{"listener", 4, (*simClient).listener},
}

// live draws what the client is like and lets it be so.
func (cl *simClient) live() {
	all := 0
	for _, p := range simPeople {
		all += p.often
	}
	n := cl.d.IntN(all)
	for _, p := range simPeople {
		if n -= p.often; n < 0 {
			cl.r.meet(p.name)
			p.live(cl)
			if cl.c != (sim.Client{}) { // it had a connection
				cl.c.Close()
			}
			return
		}
	}
}

// enter opens the connection, with the first deeds in the handshake's own segment or after it.
func (cl *simClient) enter() bool {
	var early []byte
	if cl.d.IntN(3) == 0 {
		for i := range cl.d.IntN(3) {
			early = append(early, cl.deed(i)...)
		}
		if early != nil {
			cl.r.meet("early")
		}
	}
	return cl.open(early)
}

// talk does what honest clients do.
func (cl *simClient) talk() {
	n := cl.d.IntN(cl.r.messages + 1)
	for i := 0; i < n; {
		var b []byte
		for range 1 + cl.d.IntN(3) { // several in one segment
			b = append(b, cl.deed(100+i)...)
			i++
		}
		if !cl.write(b) {
			return
		}
		if pace := cl.r.pace; pace > 0 && cl.d.IntN(2) == 0 {
			cl.r.w.Sleep(time.Duration(cl.d.Int64N(int64(pace))))
		}
	}
}

// deed is one thing an honest client sends; what is to come of it is noted.
func (cl *simClient) deed(number int) []byte {
	kind, ask, filling := cl.d.IntN(6), "emmqb"[cl.d.IntN(5)], cl.d.IntN(cl.r.filling)
	op, pieces, between := Text, 1+cl.d.IntN(3), cl.d.IntN(2) == 0
	if cl.d.IntN(2) == 0 {
		op = Binary
	}
	if !cl.r.w.Part("client %d deed %d", cl.id, number) {
		return nil
	}
	switch kind {
	case 0:
		cl.wants = append(cl.wants, want(ws.OpPong, "ping"))
		return ping("ping")
	case 1:
		return pong("nobody asked")
	}
	if cl.sent%4 == 3 {
		filling = cl.r.filling - 1 // the largest that may be
	}
	message := cl.message(ask, filling)
	switch ask {
	case askEcho, askBlock:
		cl.wants = append(cl.wants, want(op, message))
	case askMany:
		cl.wants = append(cl.wants, want(op, message), want(op, message), want(op, message))
	}
	if kind < 4 {
		return masked(fin|byte(op), message)
	}
	if !between {
		return simFragments(op, message, pieces, nil)
	}
	// The Pong comes before the answer to the message that it interrupts.
	pings := make([]string, pieces-1)
	for i := range pings {
		pings[i] = want(ws.OpPong, "between")
	}
	at := len(cl.wants)
	switch ask {
	case askEcho, askBlock:
		at--
	case askMany:
		at -= 3
	}
	cl.wants = append(cl.wants[:at:at], append(pings, cl.wants[at:]...)...)
	return simFragments(op, message, pieces, ping("between"))
}

func (cl *simClient) message(ask byte, filling int) string {
	cl.sent++
	return simMessage(cl.id, cl.sent-1, ask, filling)
}

// simFragments cuts a message, with something between each two pieces.
func simFragments(op Opcode, message string, pieces int, between []byte) (b []byte) {
	first := byte(op)
	for i := range pieces {
		part := message[len(message)*i/pieces : len(message)*(i+1)/pieces]
		if i == pieces-1 {
			first |= fin
		}
		b = append(b, masked(first, part)...)
		if first = byte(ws.OpContinuation); i < pieces-1 {
			b = append(b, between...)
		}
	}
	return b
}

// finish reads to the end, and checks that all came that is owed, a Close frame
// with this code (0: none) last, and that the application was told of code, and
// whose it was.
func (cl *simClient) finish(frameCode, code StatusCode, remote bool) {
	cl.until(func() bool { return false })
	if cl.excused() {
		return
	}
	if len(cl.buf) > 0 {
		cl.fail("the stream ends in the middle of a frame: % x", cl.buf)
	}
	if cl.ended != io.EOF {
		cl.fail("the stream ends with %v", cl.ended)
	}
	if len(cl.wants) > 0 && !cl.r.gaps {
		cl.fail("%d answers are missing, the first: %.40q", len(cl.wants), cl.wants[0])
	}
	switch {
	case frameCode == 0 && cl.last != nil:
		cl.fail("an unexpected %v", cl.last)
	case frameCode != 0 && (cl.last == nil || cl.last.code() != frameCode):
		cl.fail("the last frame is %v, want Close %d", cl.last, frameCode)
	}
	cl.told(code, remote)
}

// told checks what the application was told of the connection's end.
func (cl *simClient) told(code StatusCode, remote bool) {
	var end CloseError
	cl.r.w.Within(time.Hour, "OnClose", func() (told bool) {
		end, told = cl.r.ends[cl.id]
		return told || cl.excused()
	})
	if (end.Code != code || end.Remote != remote) && !cl.excused() {
		cl.fail("OnClose was told of %d, remote %v; want %d, %v", end.Code, end.Remote, code, remote)
	}
}

// polite closes as RFC 6455, 7.1.2 wants it, perhaps before it has read the answers.
func (cl *simClient) polite() {
	if !cl.enter() {
		return
	}
	cl.talk()
	if cl.d.IntN(2) == 0 {
		cl.until(func() bool { return len(cl.wants) == 0 || cl.last != nil || cl.r.gaps })
	}
	cl.leave(1000)
	cl.finish(1000, 1000, true)
}

// leave sends a Close frame and ends the client's side of the stream.
func (cl *simClient) leave(code StatusCode) {
	cl.quit = cl.write(goodbye(code, ""))
	cl.c.CloseWrite()
}

// dismissed has the application close the connection, and goes on talking to
// one that does not listen any more.
func (cl *simClient) dismissed() {
	cl.askFor(askClose, 4000, func() {
		cl.write(bytes.Repeat(masked(fin|byte(Text), "dropped"), cl.d.IntN(4)))
	})
}

func (cl *simClient) panicking() { cl.askFor(askPanic, 1011, func() {}) }

// askFor sends a last message, after which the server is to close with code.
func (cl *simClient) askFor(ask byte, code StatusCode, after func()) {
	if !cl.enter() {
		return
	}
	cl.talk()
	cl.write(masked(fin|byte(Text), cl.message(ask, 0)))
	after()
	cl.until(func() bool { return cl.last != nil })
	cl.leave(code)
	cl.finish(code, code, false)
}

// half ends its side of the stream without a Close frame, perhaps in the middle of a frame.
func (cl *simClient) half() {
	if !cl.enter() {
		return
	}
	cl.talk()
	if b := masked(fin|byte(Text), "never whole"); cl.d.IntN(2) == 0 {
		cl.write(b[:1+cl.d.IntN(len(b)-1)])
	}
	cl.c.CloseWrite()
	cl.finish(0, 1006, false)
}

// lies are what no client may send, and the code it is told so with. RFC 6455, 5 and 7.4.1.
func (cl *simClient) lies() []struct {
	bytes string
	code  StatusCode
} {
	limit := cl.r.cfg.Limits
	tooLong := string(announce(limit.Message + 1))
	fragments := limit.Fragments
	if fragments == 0 {
		fragments = 1024 // the default
	}
	return []struct {
		bytes string
		code  StatusCode
	}{
		{"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff", 1002}, // the most significant bit of a length
		{"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 1009}, // 2^63-1 bytes
		{tooLong, 1009}, // one byte too long
		{"\x01\x81\x00\x00\x00\x00a\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 1009}, // a sum that overflows
		{"\x82\xfe\x00\x05", 1002},                         // a length that is not minimal
		{"\x81\x05Hello", 1002},                            // not masked
		{"\xa1\x80", 1002},                                 // reserved bits
		{"\x83\x80", 1002},                                 // reserved opcodes
		{"\x8b\x80", 1002},                                 //
		{"\x09\x80", 1002},                                 // a fragmented Ping
		{"\x89\xfe\x00\x7e", 1002},                         // a Ping of 126 bytes
		{"\x80\x80", 1002},                                 // nothing to continue
		{"\x01\x81\x00\x00\x00\x00a\x81\x80", 1002},        // a message inside of a message
		{"\x88\x81\x00\x00\x00\x00\x03", 1002},             // half a status code
		{"\x88\x82\x00\x00\x00\x00\x03\xed", 1002},         // 1005
		{"\x88\x83\x00\x00\x00\x00\x03\xe8\xff", 1007},     // a reason that is not UTF-8
		{"\x81\x82\x00\x00\x00\x00\xff\xff", 1007},         // text that is not
		{"\x81\x8c\x00\x00\x00\x00\xce\xba\xf4\x90", 1007}, // and cannot become it
		{"\x01\x80\x00\x00\x00\x00" + strings.Repeat("\x00\x80\x00\x00\x00\x00", fragments), 1008},
	}
}

// announce is the header of a frame of n bytes.
func announce(n int) []byte {
	switch b := []byte{fin | byte(Binary), 0x80}; {
	case n < 126:
		return append(b[:1], 0x80|byte(n), 1, 2, 3, 4)
	case n < 1<<16:
		return append(binary.BigEndian.AppendUint16(append(b[:1], 0x80|126), uint16(n)), 1, 2, 3, 4)
	default:
		return append(binary.BigEndian.AppendUint64(append(b[:1], 0x80|127), uint64(n)), 1, 2, 3, 4)
	}
}

// liar breaks a rule after honest words, and goes on as if nothing were.
func (cl *simClient) liar() {
	if !cl.enter() {
		return
	}
	cl.talk()
	lies := cl.lies()
	lie := lies[cl.d.IntN(len(lies))]
	junk := make([]byte, cl.d.IntN(3000))
	for i := range junk {
		junk[i] = byte(cl.d.Uint32())
	}
	if cl.r.k.Faults.CapMin > 0 {
		junk = junk[:len(junk)/100]
	}
	cl.deaf = true // a Pong would come in the middle of it
	cl.write(append([]byte(lie.bytes), junk...))
	cl.until(func() bool { return cl.last != nil })
	cl.c.CloseWrite()
	cl.finish(lie.code, lie.code, false)
}

// strangers are handshakes that must be refused. RFC 6455, 4.2.1.
var strangers = []struct {
	from, to string
	status   int
}{
	{"GET ", "POST ", 405},
	{"HTTP/1.1", "HTTP/1.0", 505},
	{"Host: sim\r\n", "", 400},
	{"Host: sim\r\n", "Host: sim\r\nHost: other\r\n", 400},
	{"Upgrade: websocket", "Upgrade: h2c", 400},
	{"Connection: Upgrade", "Connection: close", 400},
	{"Version: 13", "Version: 12", 426},
	{"==\r\n", "=\r\n", 400},
	{"Host: sim\r\n", "Host: sim\r\nOrigin: https://elsewhere.example\r\n", 403},
	{"Host: sim\r\n", "Host: sim\r\nA b: c\r\n", 400},
	{"Host: sim\r\n", "Host: sim\r\nContent-Length: 5\r\n", 400},
	{"Host: sim\r\n", "Host: sim\r\nX: " + strings.Repeat("x", 8200) + "\r\n", 431},
}

// stranger sends a bad handshake with a good one behind it, which must not be served.
func (cl *simClient) stranger() {
	bad := strangers[cl.d.IntN(len(strangers))]
	if bad.status == 431 && cl.r.k.Faults.CapMin > 0 {
		bad = strangers[0] // it would take tens of thousands of steps in small portions
	}
	good := cl.request()
	if cl.r.cfg.OnUpgrade != nil && cl.d.IntN(4) == 0 {
		bad.from, bad.to, bad.status = " HTTP/1.1", "?refuse HTTP/1.1", 418
	}
	if !cl.dial() {
		return
	}
	cl.write([]byte(strings.Replace(good, bad.from, bad.to, 1) + good))
	cl.c.CloseWrite()
	cl.until(func() bool { return false })
	if cl.excused() || cl.c.Aborted() {
		return
	}
	if full := cl.status == 503 || cl.status == 429; cl.status != bad.status && !full {
		cl.fail("%q for %q is answered with %d, want %d; %v", bad.to, bad.from, cl.status, bad.status, cl.ended)
	}
	in := bufio.NewReader(bytes.NewReader(cl.buf))
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		cl.fail("a response that is none: %v: %q", err, cl.buf)
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil || in.Buffered() > 0 {
		cl.fail("after the response: %v, %d bytes: %q", err, in.Buffered(), cl.buf)
	}
	if cl.ended != io.EOF {
		cl.fail("the stream ends with %v", cl.ended)
	}
}

// abrupt goes without a word, at any moment.
func (cl *simClient) abrupt() {
	if cl.d.IntN(3) == 0 {
		if !cl.dial() {
			return
		}
		b := []byte(cl.request())
		cl.write(b[:cl.d.IntN(len(b))])
	} else if cl.enter() {
		cl.talk()
	} else {
		return
	}
	switch cl.d.IntN(3) {
	case 0:
		cl.c.Reset()
	case 1:
		cl.c.Lose()
	}
}
