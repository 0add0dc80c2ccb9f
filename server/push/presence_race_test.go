package push

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

// view is what a client makes of the events of a presence channel.
type view struct {
	members map[string]bool
	fault   string
}

// take applies one frame, strictly: nobody comes who is there, nobody goes who is not.
func (v *view) take(text string) {
	var frame struct{ Event, Data string }
	var data struct {
		UserID   string `json:"user_id"`
		Presence struct{ IDs []string }
	}
	if json.Unmarshal([]byte(text), &frame) != nil || json.Unmarshal([]byte(frame.Data), &data) != nil {
		v.fault = "no JSON: " + text
		return
	}
	switch frame.Event {
	case "pusher_internal:subscription_succeeded":
		v.members = map[string]bool{}
		for _, id := range data.Presence.IDs {
			v.members[id] = true
		}
	case "pusher_internal:member_added":
		if v.members == nil || v.members[data.UserID] {
			v.fault = data.UserID + " came twice"
		}
		v.members[data.UserID] = true
	case "pusher_internal:member_removed":
		if !v.members[data.UserID] {
			v.fault = data.UserID + " went twice"
		}
		delete(v.members, data.UserID)
	}
}

// Row B8 on real loops: tabs of few users come and go at the same time, some
// without a word. What each of those who stay was told is never contradictory, and
// in the end everybody knows who is there.
func TestPresenceInParallel(t *testing.T) {
	const room = "presence-room"
	h, addr := start(t, Config{Apps: []App{testApp}})
	var wait sync.WaitGroup
	const stay = 6
	clients := make([]*pushtest.Client, stay)
	views := make([]*view, stay)
	subscribe := func(user int) (*pushtest.Client, string) {
		c, id := pushtest.Connect(t, addr, "key")
		c.SubscribeAs("key", "secret", id, room, fmt.Sprintf(`{"user_id":%d}`, user))
		return c, c.Next()
	}
	for i := range stay {
		wait.Go(func() {
			for range 15 { // a tab that comes and goes
				c, _ := subscribe(i % 4)
				c.Drop()
			}
		})
		wait.Go(func() {
			c, answer := subscribe(10 + i/2)
			clients[i], views[i] = c, &view{}
			views[i].take(answer)
		})
	}
	wait.Wait()
	eventually(t, "those who left are gone, and all know", func() bool {
		stats := h.Stats()
		return stats.Connections == stay && stats.Pending == 0
	})
	for i, c := range clients {
		c.Send(`{"event":"pusher:ping"}`)
		for text := c.Next(); !strings.Contains(text, "pusher:pong"); text = c.Next() {
			views[i].take(text)
		}
		want := map[string]bool{"10": true, "11": true, "12": true}
		if views[i].fault != "" || !maps.Equal(views[i].members, want) {
			t.Errorf("client %d sees %v; %s", i, views[i].members, views[i].fault)
		}
	}
}
