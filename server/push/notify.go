package push

import (
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// The names of notices. They are those of the protocol's webhooks.
const (
	ChannelOccupied   = "channel_occupied"   // a channel has its first subscriber
	ChannelVacated    = "channel_vacated"    // a channel has lost its last one
	MemberAdded       = "member_added"       // a user has joined a presence channel
	MemberRemoved     = "member_removed"     // a user's last connection has left it
	ClientEvent       = "client_event"       // a client has sent an event to others
	CacheMiss         = "cache_miss"         // somebody subscribed to an empty cache channel
	SubscriptionCount = "subscription_count" // subscribers were told how many they are
)

// Notice is an occurrence that a customer may want to hear of.
type Notice struct {
	App     string // the app's id
	Name    string // one of the constants above
	Channel string
	UserID  string // of the member; of the sender of a client event on a presence channel
	Event   string // the name of a client event
	Data    string // the data of a client event: what its subscribers get, decoded
	// SocketID is the connection a client event came from.
	SocketID string
	Count    int // subscribers, for SubscriptionCount
	At       time.Time
}

// Notifier hears of everything that happens, at once and in order: what is told
// of one channel is told in the order in which it came about. Notify is called by
// one goroutine at a time, often that of a loop, which holds no lock. It must not
// block and must not call the Hub. A panic ends the connection that was being
// served, if one was, and the program otherwise.
type Notifier interface {
	Notify(Notice)
}

// notices hands what happened to the Notifier. An occurrence enters while the
// lock is held under which it came about, which makes the order; it is told when
// that lock is free again, by whoever comes first.
type notices struct {
	to  Notifier // nil: nobody wants to know
	now func() time.Time

	mu      sync.Mutex
	queue   fifo[Notice] // guarded by mu
	telling bool         // guarded by mu: somebody is calling Notify
}

// add puts an occurrence in line. The caller has to call tell once it holds no lock.
func (n *notices) add(notice Notice) {
	if n.to == nil {
		return
	}
	notice.At = n.now()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.queue.push(notice)
}

// tell empties the line, unless somebody else is at it and will see to the rest.
// It may panic, so whatever the occurrences are about has to be done with. The
// line is empty even then, or a Notifier that always panics would make it grow.
func (n *notices) tell() {
	if n.to == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.telling {
		return
	}
	n.telling = true
	defer func() { n.telling = false }()
	failure := ""
	for n.queue.len() > 0 {
		if f := n.notify(n.queue.pop()); failure == "" {
			failure = f
		}
	}
	if failure != "" {
		panic(failure)
	}
}

// notify tells one occurrence without the lock, which is held again whatever
// comes of it. It returns how the Notifier panicked, and where.
func (n *notices) notify(notice Notice) (failure string) {
	n.mu.Unlock()
	defer n.mu.Lock()
	defer func() {
		if p := recover(); p != nil {
			failure = fmt.Sprintf("push: the Notifier panicked: %v\n%s", p, debug.Stack())
		}
	}()
	n.to.Notify(notice)
	return ""
}
