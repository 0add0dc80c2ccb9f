package push

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// simEvent names an event of a channel: by who made it, and the how many-th of
// that maker on this channel it is.
type simEvent struct {
	maker  string
	number int
}

func (e simEvent) data(filling int) string {
	return fmt.Sprintf("%s/%d/%s", e.maker, e.number, strings.Repeat("x", filling))
}

func parseSimEvent(data string) (e simEvent, ok bool) {
	parts := strings.Split(data, "/")
	if len(parts) != 3 || strings.Trim(parts[2], "x") != "" {
		return e, false
	}
	n, err := strconv.Atoi(parts[1])
	return simEvent{parts[0], n}, err == nil
}

// simChannel is a channel in the plainest words: what was published on it, and
// what anybody has learned of the order.
type simChannel struct {
	name    string
	begun   map[string]int      // by maker: events whose publication has begun
	done    map[string]int      // and those of which it is certain
	exclude map[simEvent]string // the connection that an event is not for
	void    map[simEvent]bool   // may have come to nothing
	at      map[string]simEvent // by id in history
	follows map[simEvent]map[simEvent]bool
	last    time.Duration // when the last event was published
}

func newSimChannel(name string) *simChannel {
	return &simChannel{
		name: name, begun: make(map[string]int), done: make(map[string]int), exclude: make(map[simEvent]string),
		void: make(map[simEvent]bool), at: make(map[string]simEvent), follows: make(map[simEvent]map[simEvent]bool),
	}
}

func (ch *simChannel) keeps() bool   { return strings.Contains(ch.name, "h-") }
func (ch *simChannel) cache() bool   { return strings.HasPrefix(ch.name, "cache-") }
func (ch *simChannel) private() bool { return strings.HasPrefix(ch.name, "private-") || ch.presence() }
func (ch *simChannel) presence() bool {
	return strings.HasPrefix(ch.name, "presence-")
}

// begin makes the maker's next event.
func (ch *simChannel) begin(maker, exclude string) simEvent {
	e := simEvent{maker, ch.begun[maker]}
	ch.begun[maker]++
	if exclude != "" {
		ch.exclude[e] = exclude
	}
	return e
}

// published says that an event has been, so that nobody who comes now gets it.
func (ch *simChannel) published(e simEvent, now time.Duration) {
	ch.done[e.maker], ch.last = e.number+1, now
}

// learn notes the id of an event, which says its place.
func (ch *simChannel) learn(id string, e simEvent) error {
	if known, ok := ch.at[id]; ok && known != e {
		return fmt.Errorf("%s: %v and %v both have the id %s", ch.name, known, e, id)
	}
	ch.at[id] = e
	return nil
}

// disorder returns events that came in different orders, as a circle.
func (ch *simChannel) disorder() []simEvent {
	state := make(map[simEvent]int) // 1: on the path, 2: done
	var path []simEvent
	var visit func(simEvent) bool
	visit = func(e simEvent) bool {
		path = append(path, e)
		state[e] = 1
		for next := range ch.follows[e] {
			if state[next] == 1 || state[next] == 0 && visit(next) {
				return true
			}
		}
		path, state[e] = path[:len(path)-1], 2
		return false
	}
	for e := range ch.follows {
		if state[e] == 0 && visit(e) {
			return path
		}
	}
	return nil
}

// simSub is what a client knows of one subscription, over all the connections
// on which it resumed it.
type simSub struct {
	ch        *simChannel
	low, high map[string]int // what was published for certain before it began, and what may have been when it was there
	next      map[string]int // by maker, once it got one
	last      simEvent       // that it got
	succeeded bool
	again     bool // was asked for once more

	ids     bool
	place   string // the id of where it is
	from    *simSub
	replay  int  // events of the past that are still to come
	cached  bool // the last event, or word that there is none, is still to come
	rewound bool // events of the past may come, without a word on how many

	members map[string]bool
	count   int // of subscribers, as told last
}

// newSimSub is a subscription that is asked for now.
func newSimSub(ch *simChannel) *simSub {
	return &simSub{ch: ch, low: maps.Clone(ch.done), next: make(map[string]int)}
}

// begins says that the subscription is there by now.
func (s *simSub) begins() {
	s.succeeded, s.high = true, maps.Clone(s.ch.begun)
}

// resumes says that the client goes on from where it was before.
func (s *simSub) resumes(from *simSub) {
	s.low, s.high, s.next, s.last, s.rewound = from.low, from.high, maps.Clone(from.next), from.last, from.rewound
}

// absent says whether a client may never get an event: those are its connections.
func (s *simSub) absent(e simEvent, connections []string) bool {
	exclude, ok := s.ch.exclude[e]
	return s.ch.void[e] || ok && slices.Contains(connections, exclude)
}

// take checks an event that came, to a client that has had these connections.
func (s *simSub) take(e simEvent, connections []string, cached bool) error {
	ch := s.ch
	if e.number >= ch.begun[e.maker] {
		return fmt.Errorf("%s: %v, which nobody published", ch.name, e)
	}
	next, known := s.next[e.maker]
	switch {
	case known || cached:
	case e.number < s.low[e.maker] && !s.rewound:
		return fmt.Errorf("%s: %v, of before the subscription", ch.name, e)
	case s.high == nil: // the client does not know yet when it began
		next = e.number
	default:
		next = min(s.high[e.maker], e.number)
	}
	if cached {
		next = e.number
	}
	for ; next < e.number; next++ {
		if !s.absent(simEvent{e.maker, next}, connections) {
			return fmt.Errorf("%s: %v came, and %d of them did not", ch.name, e, next)
		}
	}
	old := cached || s.rewound && e.number < s.high[e.maker]
	switch exclude, ok := ch.exclude[e]; {
	case next > e.number:
		return fmt.Errorf("%s: %v came, after %d of them", ch.name, e, next)
	case ok && !old && slices.Contains(connections, exclude):
		return fmt.Errorf("%s: %v came, and was not for %s", ch.name, e, exclude)
	}
	s.next[e.maker] = e.number + 1
	if s.last != (simEvent{}) {
		if ch.follows[s.last] == nil {
			ch.follows[s.last] = make(map[simEvent]bool)
		}
		ch.follows[s.last][e] = true
	}
	s.last = e
	return nil
}

// whole checks that nothing is still to come.
func (s *simSub) whole(connections []string) error {
	for maker, begun := range s.ch.begun {
		next, known := s.next[maker]
		if !known {
			next = s.high[maker]
		}
		for ; next < begun; next++ {
			if e := (simEvent{maker, next}); !s.absent(e, connections) {
				return fmt.Errorf("%s: %v never came", s.ch.name, e)
			}
		}
	}
	return nil
}

// after checks that an id is the one right after where the subscription is. A
// server that has room for few may have forgotten the channel in between, which
// later ids show.
func (s *simSub) after(id string, forgets bool) error {
	was, is := parsePosition(s.place), parsePosition(id)
	if !(forgets && is.epoch > was.epoch) && (is.epoch != was.epoch || is.serial != was.serial+1) {
		return fmt.Errorf("%s: the id %s follows %s", s.ch.name, id, s.place)
	}
	s.place = id
	return nil
}
