package torture

import (
	"fmt"
	"slices"
	"strings"
)

// earlyCases: what follows the request in its own segment. Frames are served,
// in order, none lost; after a refusal nothing is read any more. Rows H14, H15,
// H17, H26, H27.
func earlyCases(o *Options) (all []Case) {
	get := o.request()
	early := func(id, name string, send []part, want ...expect) Case {
		w := get.wire()
		n := len(w.Bytes)
		rest := wireOf(send...)
		w.Bytes = append(w.Bytes, rest.Bytes...)
		for _, m := range rest.Marks {
			w.Marks = append(w.Marks, n+m)
		}
		return opening("H15/"+id, "4.2.2, 5", "the handshake and "+name+" in one segment", &knock{send: w, accept: true, want: want}).everywhere()
	}
	big := filled(100_000)
	all = append(all,
		early("text", "a text", []part{text("Hello")}, wantText("Hello")),
		early("vector", "the RFC's example", []part{Raw{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}}, wantText("Hello")),
		early("three", "a text, a ping, a binary message", []part{text("one"), ping("two"), binaryFrame("three")},
			wantText("one"), wantPong("two"), wantBinary("three")),
		early("fragments", "a fragmented text around a ping", []part{more(text("he")), ping("p"), cont("llo")}, wantPong("p"), wantText("hello")),
		early("empty", "an empty text", []part{text("")}, wantText("")),
		early("4096", "a text of 4,096 bytes", []part{dataFrame(opText, filled(4096))}, wantData(opText, filled(4096))),
		early("100000", "a text of 100,000 bytes", []part{dataFrame(opText, big)}, wantData(opText, big)).only(Whole),
		early("close", "Close 1000", []part{closing(1000, "")}).with(func(k *knock) { k.end = ending{closed, []uint16{1000}} }),
		early("text-and-close", "a text and Close 1000", []part{text("Hello"), closing(1000, "")}, wantText("Hello")).
			with(func(k *knock) { k.end = ending{closed, []uint16{1000}} }),
		early("bare", "a frame without a mask", []part{bare(text("Hello"))}).with(failing(1002)),
		early("opcode", "a text and a reserved opcode", []part{text("good"), data(0x3, "")}, wantText("good")).with(failing(1002)),
		early("utf8", "a text that is not UTF-8", []part{text("\xff")}).with(failing(1007)),
		early("msb", "the header of a frame of 2^63 bytes", []part{header(announce(text(""), 1<<63))}).with(failing(1002)),
	)
	if o.MaxMessage > 0 {
		all = append(all, early("too-big", "the header of a frame over the limit", []part{header(announce(text(""), uint64(o.MaxMessage)+1))}).with(failing(1009)))
	}
	var sends []part
	var wants []expect
	for i := range 5000 {
		p := fmt.Sprintf("early %d", i)
		sends, wants = append(sends, text(p)), append(wants, wantText(p))
	}
	all = append(all, early("5000", "5,000 texts", sends, wants...).only(Whole))
	return append(all, concat(pipelinedHTTPCases(o, get), foreignCases(get))...)
}

func failing(code uint16) func(k *knock) {
	return func(k *knock) { k.end = ending{failed, []uint16{code}} }
}

// pipelinedHTTPCases: requests after requests.
func pipelinedHTTPCases(o *Options, get request) (all []Case) {
	second := "GET /second HTTP/1.1\r\nHost: " + o.host + "\r\n\r\n"
	bad := get.set("Sec-WebSocket-Version", "Sec-WebSocket-Version: 12")
	for name, junk := range map[string]string{
		"get": second, "post": "POST /apps/1/events HTTP/1.1\r\nHost: " + o.host + "\r\nContent-Length: 2\r\n\r\n{}",
		"upgrade": string(get.bytes()), "frames": string(wireOf(text("Hello"), closing(1000, "")).Bytes), "garbage": string(noise(300)),
		"64k": string(noise(64 << 10)),
	} {
		all = append(all, refuses("H14/refused-and-"+name, "RFC 9112, 9.3, 9.6", "a refused handshake and "+name+" after it in one segment",
			bad.then(Raw(junk)), 426, 400).only(Whole|Splits))
	}
	plain := request{line: "GET /plain HTTP/1.1", fields: []string{"Host: " + o.host}, end: "\r\n"}
	return append(all,
		runDrill("H17/plain-then-upgrade", "RFC 9112, 9.3", "a plain GET, then a handshake on the same connection",
			"an answer; then, when that left the connection open, 101 and an echo", func(b *Bench) error { return keepAlive(b, plain, get) }),
		runDrill("H17/plain-and-upgrade", "RFC 9112, 9.3.2", "a plain GET and a handshake in one segment",
			"an answer; then, when that left the connection open, 101 and an echo",
			func(b *Bench) error { return keepAlive(b, plain.then(Raw(get.bytes())), request{}) }),
		runDrill("H27/pipelined-100", "RFC 9112, 9.3.2", "100 plain GETs in one segment",
			"100 answers, or fewer and then FIN", func(b *Bench) error { return pipeline(b, plain, 100) }),
	)
}

// keepAlive plays a plain request and an upgrade behind it.
func keepAlive(b *Bench, first, upgrade request) error {
	c, err := b.dial()
	if err != nil {
		return err
	}
	c.listen(false)
	c.write(first.bytes())
	e := c.next(b.o.Timeout)
	if e.Kind != Response || e.Status == 101 {
		return &mismatch{e.String(), "a response to the plain request"}
	}
	if lists(e.Header.Get("Connection"), "close") {
		return b.fin(c)
	}
	if upgrade.line != "" {
		c.write(upgrade.bytes())
	}
	e = c.next(b.o.Timeout)
	if wrong := judge101(e, exampleKey, nil, ""); wrong != "" {
		return &mismatch{e.String() + ": " + wrong, "a correct response 101"}
	}
	return b.finish(c, ending{how: alive})
}

func pipeline(b *Bench, plain request, n int) error {
	c, err := b.dial()
	if err != nil {
		return err
	}
	c.listen(false)
	c.write(slices.Repeat(plain.bytes(), n))
	for range n {
		e := c.next(b.o.Timeout)
		if e.Kind != Response || e.Status == 101 {
			return &mismatch{e.String(), "a response"}
		}
		if lists(e.Header.Get("Connection"), "close") {
			return b.fin(c)
		}
	}
	return nil
}

// foreignCases: bytes of another protocol end in a refusal or a close, at once. Rows H24, H26.
func foreignCases(get request) (all []Case) {
	hello := "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + string(noise(160))
	for name, b := range map[string]string{
		"tls": hello, "tls-5-bytes": hello[:5], "http2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\x00\x00\x00\x04\x00\x00\x00\x00\x00",
		"random": string(noise(4096)), "zeros": strings.Repeat("\x00", 4096), "ssh": "SSH-2.0-OpenSSH_9.9\r\n", "http09": "GET /\r\n\r\n",
		"frame": string(wireOf(text("Hello")).Bytes), "lines": strings.Repeat("\r\n", 2000), "spaces": strings.Repeat(" ", 9000),
		"socks": "\x05\x01\x00", "proxy": "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "redis": "*1\r\n$4\r\nPING\r\n",
	} {
		all = append(all, opening("H26/"+name, "RFC 9112, 3", fmt.Sprintf("%d bytes of another protocol: %s", len(b), name),
			&knock{send: wireOf(Raw(b)), status: []int{400, 405, 408, 431, 505}, drop: true}))
	}
	// A proxy's word for who the client is counts only where somebody said so.
	const v2 = "\r\n\r\n\x00\r\nQUIT\n"
	for name, b := range map[string]string{
		"v1": "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "v1-unknown": "PROXY UNKNOWN\r\n", "v1-longest": "PROXY " + strings.Repeat("x", 99) + "\r\n",
		"v2": v2 + "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x00\x01\x00\x02", "v2-local": v2 + "\x20\x00\x00\x00",
		"v2-65535": v2 + "\x21\x11\xff\xff", "v2-version-3": v2 + "\x31\x11\x00\x00",
	} {
		send := wireOf(Raw(b), Raw(get.bytes()))
		all = append(all, opening("H24/"+name, "RFC 9112, 3", "the PROXY protocol's header ("+name+"), then a handshake",
			&knock{send: send, status: []int{400, 405, 408, 431, 505}, drop: true}))
	}
	return all
}
