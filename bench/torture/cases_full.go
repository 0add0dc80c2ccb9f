package torture

import (
	"fmt"
	"net"
	"strings"
	"time"
)

// fullCases: limits on who may come, of servers that say what they are. Rows H3,
// H21, H23, R1, R2, T25.
func fullCases(o *Options) (all []Case) {
	if n := o.MaxConns; n > 0 {
		all = append(all,
			runDrill("H3/silent", "10.4", fmt.Sprintf("%d connections on which nothing is said, then a client", n), "a response for the client, and service once they have left", silentCrowd).byItself(),
			runDrill("R1/beyond", "RFC 9110, 15.6.4", fmt.Sprintf("%d clients, then 20 more", n), "503 for those, and a place for one as soon as one has left", func(b *Bench) error {
				return beyond(b, n, 503, nil)
			}).byItself())
	}
	if n := o.MaxPerAddress; n > 0 {
		all = append(all,
			runDrill("R2/beyond", "RFC 6585, 4", fmt.Sprintf("%d clients of one address, then 20 more", n), "429 for those, and a place for one as soon as one has left", func(b *Bench) error {
				return beyond(b, n, 429, nil)
			}).byItself(),
			runDrill("H23/forwarded", "RFC 7239, 8.1", fmt.Sprintf("%d clients that name other addresses as theirs, then 20 more", n), "429 for those", func(b *Bench) error {
				return beyond(b, n, 429, forwarded)
			}).byItself())
		if ip := net.ParseIP(o.name); ip.IsLoopback() && ip.To4() != nil {
			all = append(all, runDrill("T25/neighbour", "RFC 4291, 2.5.5.2", fmt.Sprintf("%d clients of one IPv4 address, then one of another", n), "service", neighbour).byItself())
		}
	}
	if o.Origin != "" {
		all = append(all, originCases(o)...)
	}
	return all
}

// forwarded are the fields with which proxies say for whom they ask.
func forwarded(i int) []string {
	return []string{fmt.Sprintf("X-Forwarded-For: 192.0.2.%d", i), fmt.Sprintf("Forwarded: for=192.0.2.%d", i), fmt.Sprintf("X-Real-IP: 192.0.2.%d", i),
		fmt.Sprintf("CF-Connecting-IP: 192.0.2.%d", i), fmt.Sprintf("True-Client-IP: 192.0.2.%d", i)}
}

// asks dials and sends a handshake; the answer is 101 or a refusal.
func (b *Bench) asks(fields ...string) (*Client, Event, error) {
	c, err := b.dial()
	if err != nil {
		return nil, Event{}, err
	}
	c.listen(false)
	c.write(b.o.request().with(fields...).bytes())
	return c, c.next(b.o.Timeout), nil
}

// silentCrowd takes every place without a word. Who comes then may be refused, or
// served in place of one of them, but is not kept waiting for their deadline.
func silentCrowd(b *Bench) error {
	own := &Bench{o: b.o}
	defer own.hangUp()
	for range b.o.MaxConns {
		c, err := own.dial()
		if err != nil {
			break
		}
		c.listen(false)
	}
	if _, e, err := b.asks(); err != nil || e.Kind != Response || e.Status != 101 && e.Status != 503 {
		return &mismatch{fmt.Sprintf("%v %v", e, err), "response 503 or 101"}
	}
	own.hangUp()
	b.forget()
	return b.servedSoon()
}

// servedSoon wants the place of somebody who has left.
func (b *Bench) servedSoon() error {
	var e Event
	for end := time.Now().Add(b.o.Timeout); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var c *Client
		var err error
		if c, e, err = b.asks(); err == nil && e.Kind == Response && e.Status == 101 {
			return b.finish(c, ending{how: alive})
		}
		if c != nil {
			c.close()
		}
	}
	return &mismatch{e.String(), "response 101 when a place is free"}
}

// beyond fills a server up to its limit, and wants the rest refused.
func beyond(b *Bench, limit, status int, fields func(i int) []string) error {
	var in []*Client
	before := int(b.o.tally.open.Load())
	for i := range limit + 20 {
		var own []string
		if fields != nil {
			own = fields(i)
		}
		c, e, err := b.asks(own...)
		switch {
		case err != nil:
			return err
		case e.Kind == Response && e.Status == 101:
			in = append(in, c)
		case e.Kind != Response || e.Status != status:
			return &mismatch{fmt.Sprintf("%v for connection %d", e, i+1), fmt.Sprintf("response 101 or %d", status)}
		}
	}
	if len(in)+before != limit {
		return &mismatch{fmt.Sprintf("%d were served where there were %d", len(in), before), fmt.Sprintf("%d in all", limit)}
	}
	for _, c := range []*Client{in[0], in[len(in)-1]} {
		if err := b.finish(c, ending{how: alive}); err != nil {
			return err
		}
		c.close()
	}
	if err := b.servedSoon(); err != nil {
		return err
	}
	return b.finish(in[1], ending{how: alive})
}

// neighbour: on a socket that serves IPv6, too, all of IPv4 lies in one /64. That
// does not make one client of it.
func neighbour(b *Bench) error {
	for {
		_, e, err := b.asks()
		if err != nil {
			return err
		}
		if e.Kind != Response || e.Status != 101 {
			break // no more of this address
		}
	}
	d := net.Dialer{Timeout: b.o.Timeout, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 77)}}
	conn, err := d.Dial("tcp", b.o.addr)
	if err != nil {
		return fmt.Errorf("no connection from another address: %w", err)
	}
	c, err := b.keep(b.o.over(conn.(*net.TCPConn))) // as any other, from here on
	if err != nil {
		return err
	}
	if err := b.upgrade(c, ""); err != nil {
		return err
	}
	return b.finish(c, ending{how: alive})
}

// originCases: whose pages may connect is compared whole: RFC 6454, 4 and 5. Row H21.
func originCases(o *Options) (all []Case) {
	get := o.request()
	scheme, host, _ := strings.Cut(o.Origin, "://")
	other := map[string]string{"http": "https", "https": "http"}[scheme]
	const rfc = "10.2, 4.2.2; RFC 6454, 5"
	all = append(all,
		accepts("H21/same", rfc, "Origin: "+o.Origin, get.with("Origin: "+o.Origin)),
		accepts("H21/none", rfc, "no Origin: no browser", get))
	for name, origin := range map[string]string{
		"scheme": other + "://" + host, "suffix": o.Origin + ".evil.example", "prefix": scheme + "://evil" + host, "label": scheme + "://evil." + host,
		"port": o.Origin + ":444", "null": "null", "empty": "", "path": o.Origin + "/path", "userinfo": scheme + "://user@" + host,
		"hidden": "https://evil.example/#" + o.Origin, "userinfo-hidden": o.Origin + "@evil.example", "dot": o.Origin + ".", "two-in-one": o.Origin + ", https://evil.example", "file": "file://",
		"punycode": scheme + "://xn--" + host, "space": o.Origin + " .evil.example", "escape": o.Origin + "%2eevil.example",
	} {
		all = append(all, refuses("H21/"+name, rfc, "Origin: "+origin, get.with("Origin: "+origin), 403, 400))
	}
	return append(all,
		refuses("H21/twice", rfc, "two Origins, the first of them the right one", get.with("Origin: "+o.Origin, "Origin: https://evil.example"), 403, 400),
		refuses("H21/twice-last", rfc, "two Origins, the last of them the right one", get.with("Origin: https://evil.example", "Origin: "+o.Origin), 403, 400))
}
