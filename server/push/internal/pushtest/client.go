// Package pushtest is a client of the Pusher Channels protocol for tests.
//
// It speaks WebSocket itself, frame by frame, so that a test sees the bytes that
// a server sends and can send bytes that no library would. It knows nothing of
// the code under test.
package pushtest

import (
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for something that should come.
const patience = 10 * time.Second

// Opcodes of RFC 6455, 11.8.
const (
	Text   byte = 1
	Binary byte = 2
	Close  byte = 8
	ping   byte = 9
	pong   byte = 10
)

// Client is one connection. Its methods fail the test rather than return errors.
type Client struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
	deaf bool        // to Pings
	next *wholeFrame // looked at by IsMessage, not yet taken

	deflate  bool // permessage-deflate was agreed on
	inflated int  // messages that came compressed
}

type wholeFrame struct {
	opcode  byte
	payload []byte
}

// Open performs the opening handshake for target, a path with a query.
func Open(t testing.TB, addr net.Addr, target string) *Client {
	t.Helper()
	return open(t, addr, target, "")
}

// Inflated counts the messages that came compressed.
func (c *Client) Inflated() int { return c.inflated }

func open(t testing.TB, addr net.Addr, target, offer string) *Client {
	t.Helper()
	conn, err := net.DialTimeout(addr.Network(), addr.String(), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &Client{t: t, conn: conn, in: bufio.NewReader(conn)}
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"+
		"Origin: https://elsewhere.example\r\n%s\r\n", target, addr, offer)
	c.wait()
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		t.Fatalf("handshake: %v", err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake: %s", resp.Status)
	}
	c.deflate = resp.Header.Get("Sec-WebSocket-Extensions") != ""
	return c
}

// Connect opens a connection to an app and returns its socket id with it.
func Connect(t testing.TB, addr net.Addr, key string) (c *Client, socketID string) {
	t.Helper()
	return connect(t, addr, key, "")
}

// ConnectDeflated is Connect for a client that offers permessage-deflate.
func ConnectDeflated(t testing.TB, addr net.Addr, key string) (c *Client, socketID string) {
	t.Helper()
	return connect(t, addr, key, "Sec-WebSocket-Extensions: permessage-deflate\r\n")
}

func connect(t testing.TB, addr net.Addr, key, offer string) (c *Client, socketID string) {
	t.Helper()
	c = open(t, addr, "/app/"+key+"?protocol=7&client=js&version=8.6.0&flash=false", offer)
	var envelope struct{ Event, Data string }
	c.decode(c.Next(), &envelope)
	if envelope.Event != "pusher:connection_established" {
		t.Fatalf("first event is %q", envelope.Event)
	}
	var data struct {
		SocketID string `json:"socket_id"`
	}
	c.decode(envelope.Data, &data)
	return c, data.SocketID
}

// Subscribe subscribes to a public channel and waits until it is done.
func (c *Client) Subscribe(channel string) {
	c.t.Helper()
	c.Send(`{"event":"pusher:subscribe","data":{"auth":"","channel":"` + channel + `"}}`)
	c.Expect(`{"event":"pusher_internal:subscription_succeeded","channel":"` + channel + `","data":"{}"}`)
}

// SubscribeAs asks for a subscription that takes a signature, with channelData
// if there is any, and does not wait for the answer.
func (c *Client) SubscribeAs(key, secret, socketID, channel, channelData string) {
	c.t.Helper()
	data := map[string]string{"channel": channel}
	signed := socketID + ":" + channel
	if channelData != "" {
		data["channel_data"] = channelData
		signed += ":" + channelData
	}
	data["auth"] = key + ":" + Sign(secret, signed)
	c.Event("pusher:subscribe", data)
}

// SignIn sends pusher:signin and does not wait for the answer.
func (c *Client) SignIn(key, secret, socketID, userData string) {
	c.t.Helper()
	c.Event("pusher:signin", map[string]string{
		"auth":      key + ":" + Sign(secret, socketID+"::user::"+userData),
		"user_data": userData,
	})
}

// Event sends an event of the protocol's own.
func (c *Client) Event(name string, data map[string]string) {
	c.t.Helper()
	text, err := json.Marshal(map[string]any{"event": name, "data": data})
	if err != nil {
		c.t.Fatal(err)
	}
	c.Send(string(text))
}

// Sign is what a customer's backend does with the app's secret.
func Sign(secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// Ping waits until the server has served everything sent before, and expects
// that it had nothing else to say.
func (c *Client) Ping() {
	c.t.Helper()
	c.Send(`{"event":"pusher:ping","data":{}}`)
	c.Expect(`{"event":"pusher:pong","data":"{}"}`)
}

// Send sends a text message.
func (c *Client) Send(text string) { c.SendFrame(Text, []byte(text)) }

// SendFrame sends one whole frame, masked with zeros.
func (c *Client) SendFrame(opcode byte, payload []byte) {
	c.t.Helper()
	frame := []byte{0x80 | opcode}
	switch n := len(payload); {
	case n < 126:
		frame = append(frame, 0x80|byte(n))
	case n < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, 0x80|126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 0x80|127), uint64(n))
	}
	frame = append(append(frame, 0, 0, 0, 0), payload...)
	c.wait()
	if _, err := c.conn.Write(frame); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

// Next returns the next text message.
func (c *Client) Next() string {
	c.t.Helper()
	opcode, payload := c.frame()
	if opcode != Text {
		c.t.Fatalf("opcode %d with payload %q, expected a text message", opcode, payload)
	}
	return string(payload)
}

// Expect compares the next message byte for byte.
func (c *Client) Expect(want string) {
	c.t.Helper()
	if got := c.Next(); got != want {
		c.t.Fatalf("got  %s\nwant %s", got, want)
	}
}

// ExpectClose waits for a Close frame and returns its reason.
func (c *Client) ExpectClose(code int) (reason string) {
	c.t.Helper()
	opcode, payload := c.frame()
	if opcode != Close || len(payload) < 2 {
		c.t.Fatalf("opcode %d with payload %q, expected a Close frame", opcode, payload)
	}
	if got := int(binary.BigEndian.Uint16(payload)); got != code {
		c.t.Fatalf("closed with %d %q, expected %d", got, payload[2:], code)
	}
	return string(payload[2:])
}

// IsMessage waits for the next frame and reports whether it is a text message,
// which it takes; anything else is left for the next call.
func (c *Client) IsMessage() bool {
	c.t.Helper()
	opcode, payload := c.frame()
	if opcode != Text {
		c.next = &wholeFrame{opcode, payload}
	}
	return opcode == Text
}

// IgnorePings makes the client one that is there no more, though its machine
// still takes what it is sent.
func (c *Client) IgnorePings() { c.deaf = true }

// Drop closes the connection without a word.
func (c *Client) Drop() { c.conn.Close() }

// frame returns the next frame that is no Ping.
func (c *Client) frame() (opcode byte, payload []byte) {
	c.t.Helper()
	if f := c.next; f != nil {
		c.next = nil
		return f.opcode, f.payload
	}
	for {
		opcode, payload = c.readFrame()
		if opcode != ping {
			return opcode, payload
		}
		if !c.deaf {
			c.SendFrame(pong, payload)
		}
	}
}

// readFrame reads one frame of a server: whole and not masked.
func (c *Client) readFrame() (opcode byte, payload []byte) {
	c.t.Helper()
	c.wait()
	var head [2]byte
	c.read(head[:])
	size := uint64(head[1])
	switch size {
	case 126:
		var b [2]byte
		c.read(b[:])
		size = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		var b [8]byte
		c.read(b[:])
		size = binary.BigEndian.Uint64(b[:])
	}
	compressed := c.deflate && head[0] == 0x80|rsv1|Text
	if head[0]&0xf0 != 0x80 && !compressed || head[1]&0x80 != 0 || size > 1<<20 {
		c.t.Fatalf("frame header % x", head)
	}
	payload = make([]byte, size)
	c.read(payload)
	if compressed {
		payload = c.inflate(payload)
	}
	return head[0] & 0x0f, payload
}

// rsv1 marks a compressed message. RFC 7692, 6.
const rsv1 = 0x40

func (c *Client) inflate(payload []byte) []byte {
	c.t.Helper()
	c.inflated++
	const tail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"
	b, err := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(payload), strings.NewReader(tail))))
	if err != nil {
		c.t.Fatalf("a compressed message: %v", err)
	}
	return b
}

func (c *Client) read(b []byte) {
	c.t.Helper()
	if _, err := io.ReadFull(c.in, b); err != nil {
		c.t.Fatalf("receive: %v", err)
	}
}

func (c *Client) decode(text string, v any) {
	c.t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		c.t.Fatalf("%s: %v", text, err)
	}
}

func (c *Client) wait() { c.conn.SetDeadline(time.Now().Add(patience)) }
