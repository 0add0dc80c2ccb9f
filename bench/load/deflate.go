package load

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"strings"
)

// deflateOffer is what a client offers when messages are to be compressed: that
// nothing is kept between them, so that every server does the same work.
const deflateOffer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

// mustCompress is the size from which on every server compresses, whatever it
// leaves as it is below that; in bytes.
const mustCompress = 1 << 10

// bitCompressed marks the frame of a compressed message. RFC 7692, 6.
const bitCompressed = 0x40

// deflater compresses and inflates messages at little cost to the client. The
// lead of a message is in a block that is not compressed; all that can follow it
// was compressed before.
type deflater struct {
	pattern *pattern
	size    int                    // of the messages that follow is for
	follow  [shiftMax/4 + 1][]byte // by the shift of their stretch; masked as they lie in a frame

	from    bytes.Reader
	inflate io.ReadCloser
	message []byte
}

// leadBlock is the header of a stored block with a lead in it. RFC 1951, 3.2.4.
const leadBlock = "\x00\x10\x00\xef\xff"

// compress has messages compressed, and the pattern say what compresses like
// JSON, because it is some.
func (p *pattern) compress() {
	p.deflate = &deflater{pattern: p}
	text := p.plain[:0]
	for i := 0; len(text) < cap(p.plain)-128; i++ {
		text = fmt.Appendf(text, `{"id":%d,"user":"user %d","symbol":"ACME%d","price":%d.%02d,"live":%v,"tags":["t%d","x"]},`,
			uint32(i)*2654435761%1000003, i*31%97, i%5, i*37%100, i%100, i%3 == 0, i%7)
	}
	p.plain = text[:cap(text)]
	for i := len(text); i < len(p.plain); i++ {
		p.plain[i] = ' '
	}
	for i, b := range p.plain {
		p.masked[i] = b ^ p.key[i&3]
	}
}

// prepare compresses what may follow the lead of messages of a size.
func (d *deflater) prepare(size int) {
	for i := range d.follow {
		var b bytes.Buffer // neither it nor the level can fail
		z, _ := flate.NewWriter(&b, flate.DefaultCompression)
		at := i * 4
		_, _ = z.Write(d.pattern.plain[at : at+size-SizeMin])
		_ = z.Flush()
		follow := b.Bytes()[:b.Len()-4]
		for j := range follow {
			follow[j] ^= d.pattern.key[(len(leadBlock)+SizeMin+j)&3]
		}
		d.follow[i] = follow
	}
	d.size = size
}

// appendMessage appends the masked frame of one compressed message.
func (d *deflater) appendMessage(dst []byte, op byte, size int, l lead) []byte {
	if d.size != size {
		d.prepare(size)
	}
	follow := d.follow[l.shift()/4]
	dst = appendHeader(dst, op|bitCompressed, len(leadBlock)+SizeMin+len(follow), d.pattern.key)
	at := len(dst)
	dst = append(dst, leadBlock...)
	var head [SizeMin]byte
	l.put(head[:])
	dst = append(dst, head[:]...)
	for i := range dst[at:] {
		dst[at+i] ^= d.pattern.key[i&3]
	}
	return append(dst, follow...)
}

// open inflates a server's message. It is valid until the next call.
func (d *deflater) open(payload []byte) ([]byte, error) {
	const tail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"
	d.from.Reset(payload)
	in := io.MultiReader(&d.from, strings.NewReader(tail))
	if d.inflate == nil {
		d.inflate = flate.NewReader(in)
	} else if err := d.inflate.(flate.Resetter).Reset(in, nil); err != nil {
		return nil, err
	}
	d.message = d.message[:0]
	for {
		if len(d.message) == cap(d.message) {
			d.message = append(d.message, 0)[:len(d.message)]
		}
		n, err := d.inflate.Read(d.message[len(d.message):cap(d.message)])
		d.message = d.message[:len(d.message)+n]
		switch {
		case err == io.EOF:
			return d.message, nil
		case err != nil:
			return nil, err
		case len(d.message) > sizeMax:
			return nil, fmt.Errorf("it is longer than %d bytes", sizeMax)
		}
	}
}
