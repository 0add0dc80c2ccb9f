package torture

import (
	"fmt"
	"time"
)

// dialect is what an honest client and the server say to each other. Everything
// below messages is the same in all of them.
type dialect interface {
	// reach has the server say anything at all on a connection that was upgraded,
	// and says why it is not the server that was meant. It judges nothing else.
	reach(b *Bench, c *Client) error
	// greet takes what the server says first on a new connection.
	greet(b *Bench, c *Client) error
	// word is something that no other connection says, and the answer to it,
	// which no other connection may get (U4).
	word(unique string) ([]part, expect)
	// beat is the least that is answered, and the answer.
	beat() (Frame, expect)
	// sing makes c an honest connection of row U1. A note of its song sends
	// something and wants the answer.
	sing(b *Bench, c *Client) (note func(n int) error, err error)
	// appraise measures what honest clients of the dialect cost besides
	// connections, messages and bytes. do tells the price of each of n times.
	appraise(b *Bench, p *price, do func(n int, f func() error) (time.Duration, error)) error
	cases(o *Options) []Case
}

// echo is the dialect of a server that sends every message back.
type echo struct{}

func (echo) reach(b *Bench, c *Client) error {
	c.write(wireOf(text("echo?"), closing(1000, "")).Bytes)
	if e := c.next(b.o.Timeout); e.Kind == Silence || e.Kind == Close {
		return fmt.Errorf("does not echo: got %v for a text message", e)
	}
	return nil
}

func (echo) greet(*Bench, *Client) error { return nil }

func (echo) word(unique string) ([]part, expect) { return []part{text(unique)}, wantText(unique) }

func (echo) beat() (Frame, expect) { return text(""), wantText("") }

func (echo) sing(b *Bench, c *Client) (func(n int) error, error) {
	return func(n int) error {
		message := fmt.Sprintf("canary %d", n)
		c.write(wireOf(text(message)).Bytes)
		return b.expect(c, wantText(message))
	}, nil
}

func (echo) appraise(*Bench, *price, func(int, func() error) (time.Duration, error)) error {
	return nil
}

func (echo) cases(o *Options) []Case { return echoCases(o) }
