package push

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

// Rows B1 and B4: a subscriber that stops reading costs nobody else anything. It is
// cut and counted, and what it got until then has no gap: the promise is every event, or
// the end of the connection.
func TestSlowSubscriberIsCut(t *testing.T) {
	h, err := New(Config{Apps: []App{testApp}})
	if err != nil {
		t.Fatal(err)
	}
	srv, err := h.NewServer(server.Config{Loops: 2, Limits: server.Limits{Outbound: 256 << 10}, Timeouts: server.Timeouts{Close: time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	addr, err := srv.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	slow := dialSlowly(t, addr)
	quick, _ := pushtest.Connect(t, addr, "key")
	quick.Subscribe("c")
	eventually(t, "both are subscribed", func() bool { return h.Stats().Subscriptions == 2 })

	padding := strings.Repeat("x", 8<<10)
	for n := 0; srv.Stats().SlowConsumers == 0; n++ {
		if n == 10_000 {
			t.Fatal("80 MB wait for a client that does not read")
		}
		publish(t, h, "c", "e", fmt.Sprintf("%06d", n)+padding)
		if text := quick.Next(); !strings.Contains(text, fmt.Sprintf(`"data":"%06d`, n)) {
			t.Fatalf("instead of event %d the other subscriber got %.100s", n, text)
		}
	}
	eventually(t, "the slow one is out of the channel", func() bool { return h.Stats().Subscriptions == 1 })
	publish(t, h, "c", "e", "after")
	quick.Expect(`{"event":"e","channel":"c","data":"after"}`)

	slow.SetReadDeadline(time.Now().Add(10 * time.Second))
	all, _ := io.ReadAll(slow) // its end may be a reset
	events := strings.Count(string(all), `"event":"e"`)
	for n := range events {
		if !strings.Contains(string(all), fmt.Sprintf(`"data":"%06d`, n)) {
			t.Fatalf("the slow subscriber got %d events, and not number %d", events, n)
		}
	}
}

// dialSlowly is a subscriber that reads nothing by itself.
func dialSlowly(t *testing.T, addr net.Addr) net.Conn {
	t.Helper()
	conn, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	const subscribe = `{"event":"pusher:subscribe","data":{"channel":"c"}}`
	fmt.Fprintf(conn, "GET /app/key?protocol=7 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\x81%s\x00\x00\x00\x00%s", string([]byte{0x80 | byte(len(subscribe))}), subscribe)
	return conn
}
