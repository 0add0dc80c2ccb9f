package torture

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// deflateName is the extension of RFC 7692.
const deflateName = "permessage-deflate"

// extension is one element of a Sec-WebSocket-Extensions list: RFC 6455, 9.1.
type extension struct {
	name   string
	params []param
}

type param struct {
	name, value string
	valued      bool
}

var (
	tokenAt = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+")
	paramAt = regexp.MustCompile("^[ \t]*;[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(=(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)|\"((?:[^\"\\\\]|\\\\.)+)\"))?")
	escape  = regexp.MustCompile(`\\(.)`)
)

// parseExtensions takes a list apart; ok is false when it is none.
func parseExtensions(list string) (all []extension, ok bool) {
	for {
		list = strings.TrimLeft(list, " \t,")
		if list == "" {
			return all, true
		}
		x := extension{name: tokenAt.FindString(list)}
		if x.name == "" {
			return nil, false
		}
		list = list[len(x.name):]
		for {
			m := paramAt.FindStringSubmatch(list)
			if m == nil {
				break
			}
			p := param{name: m[1], value: m[3] + escape.ReplaceAllString(m[4], "$1"), valued: m[2] != ""}
			x.params = append(x.params, p)
			list = list[len(m[0]):]
		}
		list = strings.TrimLeft(list, " \t")
		if list != "" && list[0] != ',' {
			return nil, false
		}
		all = append(all, x)
	}
}

// get finds a parameter.
func (x extension) get(name string) (p param, ok bool) {
	i := slices.IndexFunc(x.params, func(p param) bool { return p.name == name })
	if i < 0 {
		return p, false
	}
	return x.params[i], true
}

// fault says what is wrong with the parameters; answer says that a server sent them.
func (x extension) fault(answer bool) string {
	seen := map[string]bool{}
	for _, p := range x.params {
		if seen[p.name] {
			return p.name + " comes twice"
		}
		seen[p.name] = true
		switch p.name {
		case "server_no_context_takeover", "client_no_context_takeover":
			if p.valued {
				return p.name + " has a value"
			}
		case "server_max_window_bits", "client_max_window_bits":
			if !p.valued && p.name[0] == 'c' && !answer {
				continue // "may have a value", RFC 7692, 7.1.2.2
			}
			if n, err := strconv.Atoi(p.value); err != nil || strconv.Itoa(n) != p.value || n < 8 || n > 15 {
				return fmt.Sprintf("%s is %q", p.name, p.value)
			}
		default:
			return "there is no parameter " + p.name
		}
	}
	return ""
}

// judgeExtensions says what is wrong with a server's answer to an offer, as it
// stands in the fields of both; empty when nothing is. RFC 7692, 7.1.
func judgeExtensions(answer, offer string) string {
	accepted, ok := parseExtensions(answer)
	if !ok {
		return "it is no list of extensions"
	}
	if len(accepted) != 1 || accepted[0].name != deflateName {
		return "not one extension that was offered"
	}
	a := accepted[0]
	if why := a.fault(true); why != "" {
		return why
	}
	offers, _ := parseExtensions(offer)
	why := "no offer that could be accepted"
	for _, o := range offers {
		if o.name == deflateName && o.fault(false) == "" {
			if why = a.exceeds(o); why == "" {
				return ""
			}
		}
	}
	return why
}

// exceeds says in what the answer a does not keep to the offer o.
func (a extension) exceeds(o extension) string {
	bits := func(p param) int { n, _ := strconv.Atoi(p.value); return n }
	_, asked := o.get("server_no_context_takeover")
	if _, done := a.get("server_no_context_takeover"); asked && !done {
		return "server_no_context_takeover was asked for and not answered"
	}
	if asked, ok := o.get("server_max_window_bits"); ok {
		if done, ok := a.get("server_max_window_bits"); !ok || bits(done) > bits(asked) {
			return "server_max_window_bits was asked for and is not kept to"
		}
	}
	if done, ok := a.get("client_max_window_bits"); ok {
		asked, ok := o.get("client_max_window_bits")
		if !ok || asked.valued && bits(done) > bits(asked) {
			return "client_max_window_bits was not offered so"
		}
	}
	return ""
}

// inflater is a client's half of permessage-deflate that reads. nil: it was not agreed on.
type inflater struct {
	window  []byte // of the messages before
	forgets bool   // the server takes no context over
	size    int    // of the window

	// What the client's other half may do: see squeezer.
	remembers bool // what the client sends may refer to its messages before
	reach     int  // how far back
}

// inflaterFor reads a 101 response. What is wrong with it, judge101 says.
func inflaterFor(h http.Header) *inflater {
	all, _ := parseExtensions(strings.Join(h["Sec-Websocket-Extensions"], ","))
	if len(all) != 1 || all[0].name != deflateName {
		return nil
	}
	z := &inflater{size: all[0].window("server_max_window_bits"), reach: all[0].window("client_max_window_bits")}
	_, z.forgets = all[0].get("server_no_context_takeover")
	_, alone := all[0].get("client_no_context_takeover")
	z.remembers = !alone
	return z
}

// window is the size in bytes that a parameter gives in bits.
func (x extension) window(name string) int {
	if p, ok := x.get(name); ok {
		if bits, err := strconv.Atoi(p.value); err == nil && bits >= 8 && bits < 15 {
			return 1 << bits
		}
	}
	return 1 << 15
}

// flateEnd is what a compressed message lacks (RFC 7692, 7.2.2), and a final block for Go's reader.
const flateEnd = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

// inflate inflates a server's message.
func (z *inflater) inflate(payload []byte) ([]byte, error) {
	in := bytes.NewReader(append(clone(payload), flateEnd...))
	var message []byte
	for in.Len() > 0 {
		from := flate.NewReaderDict(in, append(clone(z.window), message...))
		b, err := io.ReadAll(io.LimitReader(from, frameMax+1))
		if message = append(message, b...); err != nil {
			return nil, err
		}
		if len(message) > frameMax {
			return nil, fmt.Errorf("it is longer than %d bytes", frameMax)
		}
		// A block with BFINAL ends a stream before the end of the message; another may follow.
	}
	if !z.forgets {
		z.window = append(z.window, message...)
		z.window = clone(z.window[max(0, len(z.window)-z.size):])
	}
	return message, nil
}
