package rawjson

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// MaxDepth bounds how deep arrays and objects may be nested. No message of the
// protocol needs more than a handful; application data travels inside strings.
const MaxDepth = 64

// SyntaxError says where and why a text is not JSON.
type SyntaxError struct {
	Offset  int // in bytes
	Problem string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not valid JSON at byte %d: %s", e.Offset, e.Problem)
}

// Parse checks that text is exactly one JSON value (RFC 8259) in valid UTF-8,
// nested at most MaxDepth deep, and returns it. The Value shares text's memory.
func Parse(text []byte) (Value, error) {
	// What a publisher sends ends in WebSocket text frames, where one bad byte
	// makes every receiver fail its connection (RFC 6455, 8.1).
	if !utf8.Valid(text) {
		return Value{}, &SyntaxError{Problem: "not UTF-8"}
	}
	p := parser{text: text}
	start := skipSpace(text, 0)
	end, ok := p.value(start, 0)
	if !ok {
		fault := p.fault // a copy: p itself stays on the stack
		return Value{}, &fault
	}
	if rest := skipSpace(text, end); rest != len(text) {
		return Value{}, &SyntaxError{Offset: rest, Problem: "more after the value"}
	}
	return Value{raw: text[start:end]}, nil
}

// parser walks text once. Its methods take the offset of what they expect and
// return the offset behind it.
type parser struct {
	text  []byte
	fault SyntaxError // set when a method returns false
}

func (p *parser) fail(at int, problem string) (int, bool) {
	if at >= len(p.text) {
		problem = "unexpected end"
	}
	p.fault = SyntaxError{Offset: at, Problem: problem}
	return at, false
}

func (p *parser) value(i, depth int) (int, bool) {
	if i >= len(p.text) {
		return p.fail(i, "")
	}
	switch c := p.text[i]; {
	case c == '"':
		return p.str(i)
	case c == '{' || c == '[':
		if depth == MaxDepth {
			return p.fail(i, "nested too deep")
		}
		if c == '{' {
			return p.object(i, depth+1)
		}
		return p.array(i, depth+1)
	case c == '-' || '0' <= c && c <= '9':
		return p.number(i)
	}
	for _, word := range [...]string{"null", "true", "false"} {
		if bytes.HasPrefix(p.text[i:], []byte(word)) {
			return i + len(word), true
		}
	}
	return p.fail(i, "expected a value")
}

func (p *parser) object(i, depth int) (int, bool) {
	i = skipSpace(p.text, i+1)
	if p.at(i) == '}' {
		return i + 1, true
	}
	for {
		if p.at(i) != '"' {
			return p.fail(i, "expected a name in quotes")
		}
		end, ok := p.str(i)
		if !ok {
			return end, false
		}
		if i = skipSpace(p.text, end); p.at(i) != ':' {
			return p.fail(i, "expected ':'")
		}
		if end, ok = p.value(skipSpace(p.text, i+1), depth); !ok {
			return end, false
		}
		i = skipSpace(p.text, end)
		switch p.at(i) {
		case '}':
			return i + 1, true
		case ',':
			i = skipSpace(p.text, i+1)
		default:
			return p.fail(i, "expected ',' or '}'")
		}
	}
}

func (p *parser) array(i, depth int) (int, bool) {
	i = skipSpace(p.text, i+1)
	if p.at(i) == ']' {
		return i + 1, true
	}
	for {
		end, ok := p.value(i, depth)
		if !ok {
			return end, false
		}
		i = skipSpace(p.text, end)
		switch p.at(i) {
		case ']':
			return i + 1, true
		case ',':
			i = skipSpace(p.text, i+1)
		default:
			return p.fail(i, "expected ',' or ']'")
		}
	}
}

func (p *parser) str(i int) (int, bool) {
	for i++; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '"':
			return i + 1, true
		case c < ' ':
			return p.fail(i, "control character in a string")
		case c == '\\':
			i++
			switch p.at(i) {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				for range 4 {
					if i++; hex(p.at(i)) < 0 {
						return p.fail(i, "expected four hex digits")
					}
				}
			default:
				return p.fail(i, "unknown escape")
			}
		}
	}
	return p.fail(i, "")
}

func (p *parser) number(i int) (int, bool) {
	if p.at(i) == '-' {
		i++
	}
	// "Leading zeros are not allowed." RFC 8259, 6.
	if p.at(i) == '0' {
		i++
	} else if end, ok := p.digits(i); !ok {
		return end, false
	} else {
		i = end
	}
	if p.at(i) == '.' {
		end, ok := p.digits(i + 1)
		if !ok {
			return end, false
		}
		i = end
	}
	if c := p.at(i); c == 'e' || c == 'E' {
		i++
		if c := p.at(i); c == '+' || c == '-' {
			i++
		}
		return p.digits(i)
	}
	return i, true
}

func (p *parser) digits(i int) (int, bool) {
	start := i
	for '0' <= p.at(i) && p.at(i) <= '9' {
		i++
	}
	if i == start {
		return p.fail(i, "expected a digit")
	}
	return i, true
}

// at returns the byte at i, or 0, which is no part of any JSON text, behind the end.
func (p *parser) at(i int) byte {
	if i < len(p.text) {
		return p.text[i]
	}
	return 0
}

// hex returns the value of a hexadecimal digit, or -1.
func hex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
