package server

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

func start(t *testing.T, h Handler, cfg Config) (*Server, string) {
	t.Helper()
	s, err := New(h, cfg)
	if err != nil {
		t.Fatal(err)
	}
	addr, err := s.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, addr.String()
}

func TestEchoQuick(t *testing.T) {
	for _, inline := range []bool{true, false} {
		echo := Handler{OnMessage: func(c *Conn, op Opcode, m []byte) { c.Send(op, m) }}
		s, addr := start(t, echo, Config{Inline: inline, HTTP: http.NotFoundHandler()})
		conn, _, _, err := ws.Dial(context.Background(), "ws://"+addr+"/")
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, 5, 200, 70000, 1 << 20} {
			msg := strings.Repeat("x", n)
			if err := wsutil.WriteClientText(conn, []byte(msg)); err != nil {
				t.Fatal(err)
			}
			conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			got, err := wsutil.ReadServerText(conn)
			if err != nil {
				t.Fatal(n, err, s.Stats())
			}
			if string(got) != msg {
				t.Fatal("differs", n, len(got))
			}
		}
		ws.WriteFrame(conn, ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, ""))))
		f, err := ws.ReadFrame(conn)
		t.Log(f, err)
		_, err = conn.Read(make([]byte, 1))
		t.Log(err)
		conn.Close()
		r, err := http.Get("http://" + addr + "/x")
		t.Log(r, err)
		time.Sleep(50 * time.Millisecond)
		t.Logf("%+v", s.Stats())
	}
}

var _ = net.Dial
