package torture

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
)

// boundCases: how long a request head may be, in bytes and in time. Rows H1, H2, H4, H5.
func boundCases(o *Options) (all []Case) {
	get := o.request()
	if n := o.MaxHeader; n > 0 {
		all = append(all,
			accepts("H4/head-limit", "RFC 6585, 5", fmt.Sprintf("a head of %d bytes, the limit", n), padded(get, n)).only(everyMode),
			refuses("H4/head-limit-and-1", "RFC 6585, 5", fmt.Sprintf("a head of %d bytes, one more than the limit", n+1), padded(get, n+1), 431).only(everyMode),
			refuses("H4/head-64k", "RFC 6585, 5", "one field of 64 KiB", get.with("X-Long: "+strings.Repeat("x", 64<<10)), 431).only(Whole),
			refuses("H4/head-1m", "RFC 6585, 5", "one field of 1 MiB", get.with("X-Long: "+strings.Repeat("x", 1<<20)), 431).only(Whole),
			refuses("H4/fields-100000", "RFC 6585, 5", "100,000 fields", get.with(slices.Repeat([]string{"a:"}, 100_000)...), 431).only(Whole),
			refuses("H4/endless-name", "RFC 6585, 5", "a field name that does not end", request{line: get.line, fields: []string{strings.Repeat("n", 1<<17)}, end: "\r\n"}, 431).only(Whole),
		)
	}
	if n := o.MaxFields; n > 0 {
		fill := func(total int) request {
			return get.with(slices.Repeat([]string{"X-Many: 1"}, total-len(get.fields))...)
		}
		all = append(all,
			accepts("H4/fields-limit", "RFC 6585, 5", fmt.Sprintf("%d fields, the limit", n), fill(n)),
			refuses("H4/fields-limit-and-1", "RFC 6585, 5", fmt.Sprintf("%d fields, one more than the limit", n+1), fill(n+1), 431))
	}
	if n := o.MaxTarget; n > 0 {
		target := func(total int) request { return get.asks("GET /" + strings.Repeat("t", total-1) + " HTTP/1.1") }
		all = append(all,
			mayAccept("H5/target-limit", "RFC 9110, 15.5.15", fmt.Sprintf("a target of %d bytes, the limit", n), target(n), 404),
			refuses("H5/target-limit-and-1", "RFC 9110, 15.5.15", fmt.Sprintf("a target of %d bytes, one more than the limit", n+1), target(n+1), 414),
			refuses("H5/target-endless", "RFC 9110, 15.5.15", "a target that does not end", request{line: "GET /" + strings.Repeat("t", 1<<17)}, 414, 431).only(Whole))
	}
	if o.HandshakeTimeout > 0 {
		all = append(all, deadlineCases(o)...)
	}
	return all
}

// padded fills the head up to n bytes with one field.
func padded(r request, n int) request {
	const name = "X-Pad: "
	return r.with(name + strings.Repeat("p", n-len(r.bytes())-len(name)-2))
}

// deadlineCases: the time from accept to 101 is bounded, however busy the client keeps.
func deadlineCases(o *Options) []Case {
	head := o.request().bytes()
	limit := o.HandshakeTimeout
	late := fmt.Sprintf("FIN or 408 within %v of the connection, give or take 2 s", limit)
	drip := func(first, rest []byte, size int, pause time.Duration) func(b *Bench) error {
		return func(b *Bench) error { return ends(b, first, rest, size, pause) }
	}
	fields := bytes.Repeat([]byte("A: b\r\n"), int(limit/time.Second)+3)
	all := []Case{
		runDrill("H2/silent", "10.4", "a connection on which nothing is sent", late, drip(nil, nil, 1, time.Second)),
		runDrill("H1/half-a-head", "10.4", "a head without its last byte, then nothing", late, drip(head[:len(head)-1], nil, 1, time.Second)),
		runDrill("H1/byte-a-second", "10.4", "a head byte by byte, one a second", late, drip(nil, head, 1, time.Second)),
		runDrill("H1/byte-in-100ms", "10.4", "a head byte by byte, ten a second", late, drip(nil, head, 1, 100*time.Millisecond)),
		runDrill("H1/one-byte", "10.4", "one byte, then nothing", late, drip(head[:1], nil, 1, time.Second)),
		runDrill("H1/fields-dripping", "10.4", "a field a second, no end of them", late,
			drip(head[:len(head)-2], fields, 6, time.Second)),
	}
	for i := range all {
		all[i].slow = true
	}
	return all
}

// ends sends first, then rest in pieces with a pause, and wants the connection
// ended by the absolute deadline and not before it.
func ends(b *Bench, first, rest []byte, size int, pause time.Duration) error {
	c, err := b.dial()
	if err != nil {
		return err
	}
	c.listen(false)
	start := time.Now()
	c.write(first)
	done := make(chan struct{})
	defer func() { <-done }()
	go func() {
		defer close(done)
		for len(rest) > 0 && !c.over() && time.Since(start) < b.o.HandshakeTimeout+2*time.Second && c.write(rest[:size]) == nil {
			rest = rest[size:]
			time.Sleep(pause)
		}
	}()
	return b.deadline(c, start)
}

// deadline wants FIN, after a 408 at most, around the handshake's deadline.
func (b *Bench) deadline(c *Client, start time.Time) error {
	const slack = 2 * time.Second
	limit := b.o.HandshakeTimeout
	e := c.next(limit + slack)
	if e.Kind == Response && e.Status == 408 {
		e = c.next(slack)
	}
	if e.Kind != EOF && e.Kind != Reset {
		return &mismatch{e.String(), "FIN"}
	}
	if took := time.Since(start); took < limit-slack {
		return &mismatch{fmt.Sprintf("%v after %v", e, took.Round(time.Millisecond)), fmt.Sprintf("%v of patience", limit)}
	}
	return nil
}
