package torture

import (
	"fmt"
	"net/http"
	"slices"
)

// keptCases: several calls on one connection, and what looks like several. Row A11.
func keptCases() []Case {
	all := []Case{
		runDrill("A11/pipelined", "RFC 9112, 9.3.2", "two hundred calls in one write, every third to nowhere", "as many responses, in order, and the events in their order", pipelinedCalls),
		Case{ID: "A11/call-bytewise", RFC: "-", Name: "a call that comes byte by byte", Want: "response 200 {}, and the event", modes: Whole,
			drill: func(b *Bench) error {
				a, err := b.audience("A11/call-bytewise")
				if err != nil {
					return err
				}
				for i, cut := range []bool{false, true} { // as the first request of a connection, and as a further one
					phone, err := b.phone()
					if err != nil {
						return err
					}
					if cut {
						if err := a.control(phone); err != nil {
							return err
						}
					}
					data := fmt.Sprint("byte by byte ", i)
					w := b.push().publish("bent", data, a.channel).request(b.o).bytes()
					phone.trickle(slices.Collect(slices.Chunk(w, 1)))
					if _, err := b.answer(phone, http.StatusOK, "{}"); err != nil {
						return err
					}
					if err := a.hears("bent", data); err != nil {
						return err
					}
				}
				return nil
			}},
		runDrill("A11/upgrade-after-call", "4.2.1", "an opening handshake on a connection that has made a call", "response 101, or a refusal; what follows a refusal is not served", func(b *Bench) error {
			a, phone, err := b.stage("A11/upgrade-after-call")
			if err != nil {
				return err
			}
			if err := a.control(phone); err != nil {
				return err
			}
			phone.write(b.o.request().bytes())
			e := phone.next(b.o.Timeout)
			if e.Kind != Response || e.Status != http.StatusSwitchingProtocols {
				return &mismatch{answered(e), "response 101"}
			}
			if err := b.o.dialect.greet(b, phone); err != nil {
				return err
			}
			return b.finish(phone, ending{how: alive})
		}),
	}
	for _, kept := range []bool{false, true} {
		all = append(all, smuggles(kept)...)
	}
	return all
}

// pipelinedCalls makes calls without waiting for answers.
func pipelinedCalls(b *Bench) error {
	a, phone, err := b.stage("A11/pipelined")
	if err != nil {
		return err
	}
	const calls = 200
	var send []byte
	p := b.push()
	for i := range calls {
		c := p.publish("bent", fmt.Sprint(i), a.channel)
		if i%3 == 2 {
			c = p.call("GET", fmt.Sprint("nothing-", i)).sign(p.App)
		}
		send = append(send, c.request(b.o).bytes()...)
	}
	phone.write(send)
	for i := range calls {
		var err error
		if i%3 == 2 {
			_, err = b.refusal(phone, http.StatusNotFound)
		} else if _, err = b.answer(phone, http.StatusOK, "{}"); err == nil {
			err = a.hears("bent", fmt.Sprint(i))
		}
		if err != nil {
			return fmt.Errorf("call %d of %d: %w", i+1, calls, err)
		}
	}
	return a.control(phone)
}

// smuggles: a request of which two parsers could read the end differently, with a
// good call hidden behind it or within. It is served by nobody.
func smuggles(kept bool) (all []Case) {
	suffix, where := "", "as the first request of a connection"
	if kept {
		suffix, where = "-kept", "on a connection that has made a call"
	}
	for name, wrap := range map[string]func(o *Options, outer, hidden call) []byte{
		"length-twice": func(o *Options, outer, hidden call) []byte {
			return outer.head(o).with("Content-Length: 0", fmt.Sprintf("Content-Length: %d", len(outer.body))).bytes()
		},
		"length-list": func(o *Options, outer, hidden call) []byte {
			return outer.head(o).with(fmt.Sprintf("Content-Length: 0, %d", len(outer.body))).bytes()
		},
		"length-plus":  announcedAs("+%d"),
		"length-hex":   announcedAs("%#x"),
		"length-space": announcedAs("%d 0"),
		"length-none": func(o *Options, outer, hidden call) []byte {
			return outer.head(o).with("Content-Length:").bytes()
		},
		"length-word": announcedAs("%[1]d%[1]c"),
		"length-and-chunked": func(o *Options, outer, hidden call) []byte {
			return outer.head(o).with("Content-Length: 3", "Transfer-Encoding: chunked").then(Raw("0\r\n\r\n")).bytes()
		},
		"chunked-and-length": func(o *Options, outer, hidden call) []byte {
			return outer.head(o).with("Transfer-Encoding: chunked", "Content-Length: 3").then(Raw("0\r\n\r\n")).bytes()
		},
		"chunked-twice":    codedAs("chunked, chunked"),
		"chunked-identity": codedAs("chunked, identity"),
		"chunked-unknown":  codedAs("xchunked"),
		"chunked-quoted":   codedAs(`"chunked"`),
		"chunked-vtab":     codedAs("\x0bchunked"),
		"gzip-chunked":     codedAs("gzip, chunked"),
		"chunk-size-minus": chunksOf("-1\r\n"),
		"chunk-size-huge":  chunksOf("ffffffffffffffff1\r\n"),
		"chunk-size-empty": chunksOf("\r\n"),
		"chunk-size-0x":    chunksOf("0x0\r\n\r\n"),
		"space-in-name": func(o *Options, outer, hidden call) []byte {
			return outer.head(o).with("Content-Length : 5").bytes()
		},
		"version-12-upgrade": func(o *Options, outer, hidden call) []byte {
			return o.request().set("Sec-WebSocket-Version", "Sec-WebSocket-Version: 12").bytes()
		},
		"upgrade-with-body": func(o *Options, outer, hidden call) []byte {
			return o.request().with("Content-Length: 4").then(Raw("abcd")).bytes()
		},
	} {
		id := "A11/smuggled-" + name + suffix
		all = append(all, runDrill(id, "RFC 9112, 6.3, 11.2", name+", and a good call behind it, "+where, "one refusal, the end of the connection, and nothing published", func(b *Bench) error {
			return b.smuggle(id, kept, wrap)
		}))
	}
	return all
}

func announcedAs(format string) func(o *Options, outer, hidden call) []byte {
	return func(o *Options, outer, _ call) []byte {
		r := outer.head(o).with("Content-Length: " + fmt.Sprintf(format, len(outer.body)))
		return r.then(Raw(outer.body)).bytes()
	}
}

// codedAs is a body that looks as if it was in chunks, of a coding that it is not.
func codedAs(coding string) func(o *Options, outer, hidden call) []byte {
	return func(o *Options, outer, _ call) []byte {
		return outer.head(o).with("Transfer-Encoding: " + coding).then(Raw("0\r\n\r\n")).bytes()
	}
}

// chunksOf is a body in chunks that break in the first of them.
func chunksOf(first string) func(o *Options, outer, hidden call) []byte {
	return func(o *Options, outer, _ call) []byte {
		return outer.head(o).with("Transfer-Encoding: chunked").then(Raw(first)).bytes()
	}
}

// smuggle sends such a request and the hidden call, and looks that nobody serves it.
func (b *Bench) smuggle(id string, kept bool, wrap func(o *Options, outer, hidden call) []byte) error {
	a, phone, err := b.stage(id)
	if err != nil {
		return err
	}
	if kept {
		if err := a.control(phone); err != nil {
			return err
		}
	}
	p := b.push()
	hidden := p.publish("bent", "hidden", a.channel)
	phone.write(append(wrap(b.o, p.publish("bent", "outer", a.channel), hidden), hidden.request(b.o).bytes()...))
	e := phone.next(b.o.Timeout)
	if e.Kind != Response || e.Status < http.StatusBadRequest {
		return &mismatch{answered(e), "a refusal"}
	}
	if err := unreflected(e); err != nil {
		return err
	}
	if err := b.hungUp(phone); err != nil {
		return err
	}
	if phone, err = b.phone(); err != nil {
		return err
	}
	return a.control(phone)
}
