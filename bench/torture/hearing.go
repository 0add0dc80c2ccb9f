package torture

import (
	"fmt"
	"hash/crc32"
	"net/http"
	"strings"
)

// stamped is the data of a numbered event: who published it, its number, and a sum
// of the rest, which no other event has.
func stamped(from string, n, size int) string {
	own := fmt.Sprintf("%s-%d-<&>\u2028\"\\ü ", from, n)
	filling := strings.Repeat(own, size/len(own)+1)
	return fmt.Sprintf("%s %d %08x %s", from, n, crc32.ChecksumIEEE([]byte(filling)), filling)
}

// hearing is what a subscriber of one channel has heard: of each publisher every
// event from the first one on, once and in order.
type hearing struct {
	channel string
	next    map[string]int
	order   []string // publisher and number of all of them
}

// take judges the next event. It is not about anything else.
func (h *hearing) take(e Event) error {
	s, bad := spokenOf(e)
	want := "a numbered event of " + h.channel
	if bad != "" {
		return &mismatch{bad, want}
	}
	head, filling, _ := strings.Cut(s.text(), " ")
	var n int
	var sum uint32
	number, rest, _ := strings.Cut(filling, " ")
	digest, filling, _ := strings.Cut(rest, " ")
	if _, err := fmt.Sscanf(number+" "+digest, "%d %x", &n, &sum); err != nil || s.Event != "numbered" || s.Channel != h.channel {
		return &mismatch{brief(e.Payload), want}
	}
	if got := crc32.ChecksumIEEE([]byte(filling)); got != sum {
		return &mismatch{fmt.Sprintf("event %d of %s with other bytes: their sum is %08x", n, head, got), fmt.Sprintf("%08x", sum)}
	}
	due, begun := h.next[head]
	if begun && n != due {
		return &mismatch{fmt.Sprintf("event %d of %s", n, head), fmt.Sprintf("event %d", due)}
	}
	if h.next == nil {
		h.next = map[string]int{}
	}
	h.next[head] = n + 1
	h.order = append(h.order, fmt.Sprintf("%s %d", head, n))
	return nil
}

// hears takes n events.
func (b *Bench) hears(c *Client, h *hearing, n int) error {
	for i := range n {
		if err := h.take(c.next(b.o.Timeout)); err != nil {
			return fmt.Errorf("event %d of %d: %w", i+1, n, err)
		}
	}
	return nil
}

// publishes publishes numbered events to channels, from one number up to another.
func (b *Bench) publishes(phone *Client, from string, first, end, size int, channels ...string) error {
	for n := first; n < end; n++ {
		if _, err := b.ask(phone, b.push().publish("numbered", stamped(from, n, size), channels...), http.StatusOK, ""); err != nil {
			return fmt.Errorf("publishing event %d: %w", n, err)
		}
	}
	return nil
}

// listeners opens connections that are subscribed to a channel. Every second one
// has its messages compressed, if the server does that: one event is then written in
// two ways.
func (b *Bench) listeners(n int, channel string) (all []*Client, err error) {
	for i := range n {
		offer := ""
		if b.o.Deflate && i%2 == 1 {
			offer = deflateOffer
		}
		c, err := b.openWith(offer)
		if err != nil {
			return nil, err
		}
		if err := b.joins(c, channel); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}
