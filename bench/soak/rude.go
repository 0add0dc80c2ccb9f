package soak

import (
	"io"
	"math/rand/v2"
	"net"
	"time"
)

// rudeness is one way to behave badly on a connection; what the server answers
// is nobody's business here but the suite's of bench/torture.
type rudeness struct {
	early bool // before the opening handshake
	do    func(c *client)
}

// The ways, which rude clients draw from.
var rudenesses = []rudeness{
	{early: true, do: func(c *client) {}},                                                        // connect and leave
	{early: true, do: func(c *client) { c.raw("GET / HT") }},                                     // half a request line
	{early: true, do: func(c *client) { c.raw("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03") }}, // TLS
	{early: true, do: func(c *client) { c.raw("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n") }}, // a refusal
	{early: true, do: func(c *client) { c.raw("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n") }},     // no upgrade
	{early: true, do: func(c *client) { c.junk(9 << 10) }},                                       // more than a head may have
	{do: func(c *client) {}},                // an open connection, reset
	{do: func(c *client) { c.raw("\x81") }}, // half a header
	{do: func(c *client) { c.raw("\x82\xff\x00\x00\x00\x00\x00\x0f\xff\xff\x01\x02\x03\x04half") }}, // half a message
	{do: func(c *client) { c.raw("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff") }},                     // an impossible length
	{do: func(c *client) { c.raw("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff") }},                     // an immense one
	{do: func(c *client) { c.raw("\x81\x05Hello") }},                                                // not masked
	{do: func(c *client) { c.raw("\xf1\x80\x00\x00\x00\x00") }},                                     // reserved bits
	{do: func(c *client) { c.raw("\x80\x80\x00\x00\x00\x00") }},                                     // nothing to continue
	{do: func(c *client) { c.raw("\x81\x82\x00\x00\x00\x00\xff\xff") }},                             // not UTF-8
	{do: func(c *client) { c.raw("\x88\x81\x00\x00\x00\x00\x03") }},                                 // half a status code
	{do: func(c *client) { c.junk(4 << 10) }},
	{do: fragments},
	{do: pings},
	{do: func(c *client) { _ = c.send(opText, []byte(`{"event":"pusher:subscribe","data":null}`)) }},
	{do: func(c *client) { _ = c.send(opText, []byte(`null`)) }},
}

// raw sends bytes as they are.
func (c *client) raw(s string) { _, _ = io.WriteString(c, s) } // the server may have ended it

// junk sends random bytes.
func (c *client) junk(n int) {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	_, _ = c.Write(b)
}

// fragments sends a message in very many pieces and never ends it.
func fragments(c *client) {
	b := []byte("\x01\x80\x00\x00\x00\x00")
	for range 2000 {
		b = append(b, "\x00\x81\x00\x00\x00\x00a"...)
	}
	_, _ = c.Write(b)
}

// pings asks for many answers and takes none.
func pings(c *client) {
	var b []byte
	for range 500 {
		b = appendFrame(b, opPing, make([]byte, 100))
	}
	_, _ = c.Write(b)
}

// rude is one visit: a way to behave badly, then one to go away.
func rude(addr string, s site) error {
	way := rudenesses[rand.IntN(len(rudenesses))]
	var c *client
	if way.early {
		nc, err := net.DialTimeout("tcp", addr, patience)
		if err != nil {
			return err
		}
		c = &client{Conn: nc}
	} else {
		var err error
		if c, err = open(addr, s.path()); err != nil {
			return err
		}
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	way.do(c)
	switch rand.IntN(3) {
	case 0:
		c.reset()
	case 1: // close at once, with what came unread
	case 2:
		time.Sleep(time.Duration(rand.IntN(2000)) * time.Millisecond)
		c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		_, _ = io.Copy(io.Discard, io.LimitReader(c.Conn, 64<<10)) // whatever it is
	}
	return nil
}
