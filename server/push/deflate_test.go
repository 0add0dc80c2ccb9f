package push

import (
	"fmt"
	"strings"
	"testing"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

// An event is compressed once for all subscribers who want it so. Those of private,
// presence and encrypted channels are not, unless the app says so. Rows C14, C15.
func TestDeflate(t *testing.T) {
	open := App{ID: "2", Key: "open", Secret: "secret", DeflatePrivate: true}
	h, err := New(Config{Apps: []App{testApp, open}})
	if err != nil {
		t.Fatal(err)
	}
	srv, err := h.NewServer(server.Config{Loops: 2, Deflate: server.Deflate{Enabled: true}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	addr, err := srv.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	data := strings.Repeat("again and ", 100)
	for _, tt := range []struct {
		app     App
		channel string
		want    bool
	}{
		{testApp, "news", true},
		{testApp, "private-news", false},
		{testApp, "presence-news", false},
		{testApp, "private-encrypted-news", false},
		{open, "news", true},
		{open, "private-news", true},
		{open, "presence-news", true},
		{open, "private-encrypted-news", false},
	} {
		t.Run(tt.app.Key+" "+tt.channel, func(t *testing.T) {
			var clients []*pushtest.Client
			for i := range 6 {
				connect := pushtest.ConnectDeflated
				if i == 5 {
					connect = pushtest.Connect
				}
				c, id := connect(t, addr, tt.app.Key)
				member := ""
				if kindOf(tt.channel).presence {
					member = `{"user_id":"one"}`
				}
				c.SubscribeAs(tt.app.Key, tt.app.Secret, id, tt.channel, member)
				if got := c.Next(); !strings.Contains(got, "subscription_succeeded") {
					t.Fatal(got)
				}
				clients = append(clients, c)
			}
			before := srv.Stats().Deflated
			if err := h.Publish(tt.app.ID, Event{Channels: []string{tt.channel}, Name: Quote("e"), Data: Quote(data)}); err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf(`{"event":"e","channel":%q,"data":%q}`, tt.channel, data)
			for i, c := range clients {
				c.Expect(want)
				if compressed := c.Inflated() > 0; compressed != (tt.want && i < 5) {
					t.Errorf("client %d got it compressed: %v", i, compressed)
				}
			}
			if times := srv.Stats().Deflated - before; times > 1 || (times == 1) != tt.want {
				t.Errorf("compressed %d times", times)
			}
		})
	}
}
