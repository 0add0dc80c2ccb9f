package secure

import "errors"

// What can be wrong with the bytes that a client begins with.
var (
	ErrHTTP     = errors.New("tls: the client speaks HTTP without TLS")
	ErrNoHello  = errors.New("tls: the client does not begin with a ClientHello")
	ErrBigHello = errors.New("tls: the ClientHello is too big")
)

const (
	typeHandshake  = 22       // RFC 8446, 5.1
	clientHello    = 1        // RFC 8446, 4
	plaintextMax   = 16 << 10 // of a record
	messageHeadLen = 4        // type and length of a handshake message
)

// Collector finds the end of a ClientHello, however its bytes are cut into
// records and reads. It looks at each byte once and reads nothing but lengths:
// crypto/tls judges the rest.
type Collector struct {
	head    [messageHeadLen]byte // of the record or the message, as far as it came
	have    int                  // bytes of the present record's head
	left    int                  // bytes that are missing of the present record
	message int                  // bytes of the message seen
	total   int                  // bytes of the message, head included, once it is known
	raw     int                  // bytes seen in all
	length  int                  // of the present record
}

// Add takes the next bytes. It reports whether the ClientHello is whole, which
// it is with bytes to spare perhaps; max bounds what it takes on the wire.
func (c *Collector) Add(b []byte, max int) (whole bool, err error) {
	for _, x := range b {
		if c.raw++; c.raw > max {
			return false, ErrBigHello
		}
		if c.left == 0 {
			if err := c.recordHead(x, max); err != nil {
				return false, err
			}
			continue
		}
		if c.left--; c.message < messageHeadLen {
			c.head[c.message] = x
		}
		c.message++
		switch {
		case c.message == 1 && x != clientHello:
			return false, ErrNoHello
		case c.message == messageHeadLen:
			c.total = messageHeadLen + int(c.head[1])<<16 + int(c.head[2])<<8 + int(c.head[3])
			if c.total > max {
				return false, ErrBigHello
			}
		}
		// crypto/tls opens whole records only.
		if c.total > 0 && c.message >= c.total && c.left == 0 {
			return true, nil
		}
	}
	return false, nil
}

// Seen returns how many bytes Add has looked at: with a whole ClientHello, those of its records.
func (c *Collector) Seen() int { return c.raw }

// recordHead takes the next byte of a record's head.
func (c *Collector) recordHead(x byte, max int) error {
	switch c.have {
	case 0:
		// "Handshake messages MUST NOT be interleaved with other record types."
		// RFC 8446, 5.1. The first record decides what the client speaks.
		if x != typeHandshake {
			if c.raw == 1 && x >= 'A' && x <= 'Z' {
				return ErrHTTP
			}
			return ErrNoHello
		}
	case 1:
		if x != 3 { // every version since SSL 3
			return ErrNoHello
		}
	case 3:
		c.length = int(x) << 8
	case 4:
		c.length += int(x)
	}
	if c.have++; c.have < recordHead {
		return nil
	}
	c.have, c.left = 0, c.length
	// "Implementations MUST NOT send zero-length fragments of Handshake types."
	// RFC 8446, 5.1.
	if c.length == 0 {
		return ErrNoHello
	}
	if c.length > plaintextMax {
		return ErrBigHello
	}
	return nil
}

// Reply is what a client is told of an error of Add.
func Reply(err error) []byte {
	switch err {
	case ErrHTTP:
		return []byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n" +
			"Content-Length: 47\r\n\r\nThis port speaks TLS: use https:// or wss://.\r\n")
	case ErrBigHello:
		return alert(22) // record_overflow
	}
	return alert(10) // unexpected_message
}

// alert is a fatal alert of RFC 8446, 6, as a record.
func alert(description byte) []byte { return []byte{21, 3, 3, 0, 2, 2, description} }
