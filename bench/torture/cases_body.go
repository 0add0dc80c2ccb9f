package torture

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// bodyCases: what a body may cost. Row A6.
func bodyCases(p *pusher) []Case {
	const large = http.StatusRequestEntityTooLarge
	all := []Case{
		announces("A6/announced-1GiB", "a body of a gibibyte is announced, and nothing of it sent", fmt.Sprint(1<<30), large),
		announces("A6/announced-2-to-62", "a body of 2^62 bytes is announced", fmt.Sprint(int64(1)<<62), large, 400),
		announces("A6/announced-2-to-63", "a body of 2^63 bytes is announced", "9223372036854775808", large, 400),
		announces("A6/announced-2-to-64", "a body of 2^64 bytes is announced", "18446744073709551616", large, 400),
		announces("A6/announced-negative", "a body of -1 bytes is announced", "-1", 400),
		refusesCall("A6/large", "a body of a mebibyte that is sent, too", saying("events", func(_ *pusher, channel string) string {
			return eventBody("bent", "x", channel) + strings.Repeat(" ", 1<<20)
		}), large),
		endless(),
		runDrill("A6/chunked", "RFC 9112, 7.1", "a body in chunks", "response 200, and the event", func(b *Bench) error {
			return b.publishesAs("A6/chunked", func(c call) []byte { return chunked(b.o, c, 7) })
		}),
		runDrill("A6/expect", "RFC 9110, 10.1.1", "a body that is sent when the server says 100", "responses 100 and 200, and the event", expectsContinue),
		runDrill("A6/expect-large", "RFC 9110, 10.1.1", "Expect: 100-continue, and a body that is too large", "response 413 and no other", func(b *Bench) error {
			phone, err := b.phone()
			if err != nil {
				return err
			}
			c := b.push().publish("bent", "x", "nobody")
			phone.write(c.head(b.o).with("Expect: 100-continue", "Content-Length: 1073741824").bytes())
			e, err := b.refusal(phone, large)
			if err != nil || !lists(e.Header.Get("Connection"), "close") {
				return err
			}
			return b.hungUp(phone)
		}),
	}
	for _, coding := range []string{"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "gzip, gzip", "nonsense"} {
		field := "Content-Encoding: " + coding
		all = append(all, refusesCall("A6/coded-"+coding, "a good body that is said to be compressed: "+field, afterSigning(func(_ *pusher, c call) call {
			return c.field(field)
		}), http.StatusUnsupportedMediaType, 400))
	}
	for name, text := range map[string]func(channel string) string{
		"event": func(channel string) string { return eventBody("bent", "x", channel) },
		"bomb":  func(channel string) string { return eventBody("bent", "x", channel) + strings.Repeat(" ", 32<<20) },
	} {
		c := refusesCall("A6/gzip-"+name, "a body in gzip: "+name, func(p *pusher, channel string) call {
			return p.post("events", zipped(text(channel))).sign(p.App).field("Content-Encoding: gzip")
		}, http.StatusUnsupportedMediaType, 400)
		plain := refusesCall("A6/gzip-unsaid-"+name, "a body in gzip that is not said to be: "+name, func(p *pusher, channel string) call {
			return p.post("events", zipped(text(channel))).sign(p.App)
		}, 400)
		all = append(all, c, plain)
	}
	return append(all, slowBody(p))
}

func zipped(s string) string {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	w.Write([]byte(s)) // a buffer takes all
	w.Close()
	return b.String()
}

// publishesAs has a good call delivered, however it is written.
func (b *Bench) publishesAs(id string, write func(c call) []byte) error {
	a, phone, err := b.stage(id)
	if err != nil {
		return err
	}
	phone.write(write(b.push().publish("bent", "x", a.channel)))
	if _, err := b.answer(phone, http.StatusOK, "{}"); err != nil {
		return err
	}
	if err := a.hears("bent", "x"); err != nil {
		return err
	}
	return a.control(phone)
}

// chunked is a call whose body comes in chunks of so many bytes.
func chunked(o *Options, c call, size int) []byte {
	r := c.head(o).with("Transfer-Encoding: chunked")
	for rest := c.body; rest != ""; {
		n := min(size, len(rest))
		r.body = fmt.Appendf(r.body, "%x\r\n%s\r\n", n, rest[:n])
		rest = rest[n:]
	}
	r.body = append(r.body, "0\r\n\r\n"...)
	return r.bytes()
}

// announces is a case of a length that is enough to refuse the body by.
func announces(id, name, length string, statuses ...int) Case {
	return runDrill(id, "-", name, fmt.Sprintf("response %v before a byte of it, then FIN", statuses), func(b *Bench) error {
		a, phone, err := b.stage(id)
		if err != nil {
			return err
		}
		phone.write(b.push().publish("bent", "x", a.channel).head(b.o).with("Content-Length: " + length).bytes())
		if _, err := b.refusal(phone, statuses...); err != nil {
			return err
		}
		if err := b.hungUp(phone); err != nil {
			return err
		}
		if phone, err = b.phone(); err != nil {
			return err
		}
		return a.control(phone)
	})
}

// endless is a body in chunks that does not end by itself.
func endless() Case {
	const most = 64 << 20
	c := runDrill("A6/chunked-endless", "-", "a body in chunks that goes on and on", "response 413, and no more is read", func(b *Bench) error {
		a, phone, err := b.stage("A6/chunked-endless")
		if err != nil {
			return err
		}
		phone.write(b.push().publish("bent", "x", a.channel).head(b.o).with("Transfer-Encoding: chunked").bytes())
		chunk := []byte("8000\r\n" + strings.Repeat(" ", 0x8000) + "\r\n")
		sent := 0
		for sent < most && !phone.over() && phone.write(chunk) == nil {
			sent += len(chunk)
		}
		if _, err := b.refusal(phone, http.StatusRequestEntityTooLarge, 400); err != nil {
			return err
		}
		if sent >= most {
			return &mismatch{fmt.Sprintf("%d bytes read of a body that was refused", sent), "an end of the connection"}
		}
		if phone, err = b.phone(); err != nil {
			return err
		}
		return a.control(phone)
	})
	c.heavy = true
	return c
}

// expectsContinue sends a body when it is asked for.
func expectsContinue(b *Bench) error {
	a, phone, err := b.stage("A6/expect")
	if err != nil {
		return err
	}
	c := b.push().publish("bent", "x", a.channel)
	phone.write(c.head(b.o).with("Expect: 100-continue", fmt.Sprintf("Content-Length: %d", len(c.body))).bytes())
	if _, err := b.answer(phone, http.StatusContinue, ""); err != nil {
		return err
	}
	phone.write([]byte(c.body))
	if _, err := b.answer(phone, http.StatusOK, "{}"); err != nil {
		return err
	}
	if err := a.hears("bent", "x"); err != nil {
		return err
	}
	return a.control(phone)
}

// slowBody is a body of which there is always a byte more: its deadline is absolute.
func slowBody(p *pusher) Case {
	const every = 200 * time.Millisecond
	c := runDrill("A6/slow", "-", fmt.Sprintf("a body that comes byte by byte, for more than %v", p.BodyTimeout), "response 408 when the time is over, and FIN", func(b *Bench) error {
		a, phone, err := b.stage("A6/slow")
		if err != nil {
			return err
		}
		c := b.push().publish("bent", strings.Repeat("x", 1000), a.channel)
		phone.write(c.head(b.o).with(fmt.Sprintf("Content-Length: %d", len(c.body))).bytes())
		start, sent := time.Now(), 0
		for !phone.over() && time.Since(start) < 2*p.BodyTimeout && phone.write([]byte(c.body[sent:sent+1])) == nil {
			sent++
			if phone.answered() {
				break
			}
			time.Sleep(every)
		}
		took := time.Since(start)
		if _, err := b.refusal(phone, http.StatusRequestTimeout); err != nil {
			return err
		}
		if took < p.BodyTimeout/2 || took > p.BodyTimeout*3/2 {
			return &mismatch{fmt.Sprintf("an end after %v", took), fmt.Sprintf("one after %v", p.BodyTimeout)}
		}
		if phone, err = b.phone(); err != nil {
			return err
		}
		return a.control(phone)
	})
	c.slow = true
	return c
}
