package torture

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Push says that the server speaks the Pusher Channels protocol, and with which
// app: one that lets clients send events, and tells nobody how many subscribers a
// channel has. Its HTTP API is called where clients connect. The limits are those
// of the app; zero is what the protocol has by default.
type Push struct {
	App

	Channels     int // that one connection may be subscribed to; 200
	Data         int // bytes of an event's data; 10 KiB
	Members      int // users on a presence channel; 100
	MemberBytes  int // of what channel_data says of one; 2 KiB
	ClientEvents int // that one connection may send in a second; 10
	MemberJoins  int // of presence channels by one connection in a second, after Channels of them at once; 10

	BodyTimeout time.Duration // for the body of a call, absolute; 10 s
	Other       App           // that the server has, too; without one nobody tries to call for another app
	Hooks       *Hooks        // that the server sends the app's webhooks to; without them nobody looks at any
}

// pusher is the dialect of such a server.
type pusher struct{ Push }

// pusher makes the dialect, and completes the URL.
func (o *Options) pusher() (dialect, error) {
	p := &pusher{*o.Push}
	if p.ID == "" || p.Key == "" || p.Secret == "" {
		return nil, errors.New("torture: an app takes an id, a key and a secret")
	}
	fallback(&p.Channels, 200)
	fallback(&p.Data, 10<<10)
	fallback(&p.Members, 100)
	fallback(&p.MemberBytes, 2<<10)
	fallback(&p.ClientEvents, 10)
	fallback(&p.MemberJoins, 10)
	fallback(&p.BodyTimeout, 10*time.Second)
	if !strings.Contains(o.path, "/app/") {
		o.path = strings.TrimSuffix(o.path, "/") + "/app/" + p.Key + "?protocol=7&client=roost-torture&version=1"
	}
	return p, nil
}

// reach wants to be greeted, and that an event can be published.
func (p *pusher) reach(b *Bench, c *Client) error {
	if err := p.greet(b, c); err != nil {
		return fmt.Errorf("does not greet as one of the Pusher Channels protocol: %w", err)
	}
	phone, err := b.phone()
	if err != nil {
		return fmt.Errorf("has no HTTP API: %w", err)
	}
	if _, err := b.ask(phone, p.publish("reach", "{}", "reach"), http.StatusOK, ""); err != nil {
		return fmt.Errorf("does not let the app publish: %w", err)
	}
	return nil
}

// greet takes pusher:connection_established and keeps the socket_id.
func (p *pusher) greet(b *Bench, c *Client) error {
	e := c.next(b.o.Timeout)
	if wrong := established.wrong(e); wrong != "" {
		return &mismatch{wrong, established.String()}
	}
	c.socket = socketOf(e)
	return nil
}

// word subscribes to a channel that nobody else has, and leaves it again.
func (p *pusher) word(unique string) ([]part, expect) {
	channel := "word-" + channelName(unique)
	return []part{text(subscribing(channel)), text(unsubscribing(channel))}, wantSaid(succeeded(channel))
}

// beat is the protocol's own ping.
func (p *pusher) beat() (Frame, expect) {
	return text(`{"event":"pusher:ping","data":{}}`), wantSaid(said{event: "pusher:pong"})
}

// sing has c listen on a channel of its own. A note is a ping that the socket
// answers, and an event that comes through the API: both ways are open, and no
// event is lost, comes late or belongs to somebody else.
func (p *pusher) sing(b *Bench, c *Client) (func(n int) error, error) {
	channel := "canary-" + channelName(c.socket)
	if err := b.joins(c, channel); err != nil {
		return nil, err
	}
	phone, err := b.phone()
	if err != nil {
		return nil, err
	}
	ping, pong := p.beat()
	return func(n int) error {
		c.write(wireOf(ping).Bytes)
		if err := b.expect(c, pong); err != nil {
			return err
		}
		data := fmt.Sprintf("note %d of %s", n, channel)
		if _, err := b.ask(phone, p.publish("note", data, channel), http.StatusOK, ""); err != nil {
			return err
		}
		return b.expect(c, wantSaid(said{event: "note", channel: channel}.exactly(data)))
	}, nil
}

// appraise measures a call, and an event on its way to a subscriber.
func (p *pusher) appraise(b *Bench, pay *price, do func(n int, f func() error) (time.Duration, error)) error {
	const calls, listeners = 100, 40
	phone, err := b.phone()
	if err != nil {
		return err
	}
	publish := func(channel string) func() error {
		return func() error {
			for range calls {
				if _, err := b.ask(phone, p.publish("price", "{}", channel), http.StatusOK, ""); err != nil {
					return err
				}
			}
			return nil
		}
	}
	if pay.call, err = do(calls, publish("price-nobody")); err != nil {
		return err
	}
	for range listeners {
		c, err := b.open()
		if err != nil {
			return err
		}
		if err := b.joins(c, "price-many"); err != nil {
			return err
		}
	}
	whole, err := do(calls, publish("price-many"))
	pay.event = max(0, whole-pay.call) / listeners
	return err
}

func (p *pusher) cases(o *Options) []Case { return pushCases(o, p) }

// authorises is what a backend gives a client that may subscribe.
func (p *pusher) authorises(socket, channel, data string) string {
	signed := socket + ":" + channel
	if data != "" {
		signed += ":" + data
	}
	return p.signs(signed)
}

// signs is the form that all authorisations have.
func (p *pusher) signs(text string) string { return p.Key + ":" + p.hmac(text) }

// hmac is a signature with an app's secret.
func (a App) hmac(text string) string {
	mac := hmac.New(sha256.New, []byte(a.Secret))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}
