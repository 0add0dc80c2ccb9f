package torture

import (
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// handshake reads one request and answers it; false ends the connection.
func (c *modelConn) handshake() bool {
	head, status := c.head()
	if head == "" && status == 0 {
		return false
	}
	var fields map[string][]string
	var target string
	if status == 0 {
		target, fields, status = c.parse(head)
	}
	if status == 0 {
		status = c.judge(target, fields)
	}
	if c.has("silent-handshakes") && c.ending() {
		io.Copy(io.Discard, c.in)
	}
	if status == 101 {
		c.tcp.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
			c.accept(fields["sec-websocket-key"][0]) + "\r\n" + c.extensions(fields["sec-websocket-extensions"]) + "\r\n"))
		return true
	}
	body := "refused\n"
	if c.has("reflects") {
		body = head
	}
	length := len(body)
	if strings.HasPrefix(head, "HEAD ") {
		body = ""
	}
	extra := ""
	if status == 426 {
		extra = "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n"
	}
	fmt.Fprintf(c.tcp, "HTTP/1.1 %d No\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n%s", status, length, extra, body)
	if c.has("parses-after-refusal") {
		return c.handshake()
	}
	c.hangUp()
	return false
}

func (c *modelConn) accept(key string) string {
	if c.has("wrong-accept") {
		key = strings.ToLower(key)
	}
	return acceptOf(key)
}

// head reads up to the blank line, byte by byte; the status refuses it before it is whole.
func (c *modelConn) head() (string, int) {
	var b []byte
	for line, fields := 0, 0; ; {
		x, err := c.in.ReadByte()
		if err != nil {
			return "", 0
		}
		b = append(b, x)
		if len(b) == 1 && !token(string(x)) {
			return "", 400
		}
		if len(b) > c.o.MaxHeader {
			return "", 431
		}
		if x == '\n' {
			if (len(b) < 2 || b[len(b)-2] != '\r') && !c.has("bare-lf") {
				return "", 400
			}
			if strings.HasSuffix(string(b), "\n\r\n") || strings.HasSuffix(string(b), "\n\n") {
				return string(b), 0
			}
			if fields++; fields > c.o.MaxFields+1 {
				return "", 431
			}
			if _, _, status := c.parse(string(b)); line == 0 && status == 400 {
				return "", 400
			}
			line = len(b)
			continue
		}
		if i := len(b) - 2; i >= 0 && b[i] == '\r' || (control(rune(x)) && x != '\r') && !c.has("any-octet") {
			return "", 400
		}
		if line > 0 {
			continue
		}
		if words := strings.Split(string(b), " "); len(words) == 2 && len(words[1]) > c.o.MaxTarget {
			return "", 414
		}
	}
}

// parse takes a head apart; a status refuses it.
func (c *modelConn) parse(head string) (target string, fields map[string][]string, status int) {
	lines := strings.Split(strings.ReplaceAll(strings.TrimRight(head, "\r\n"), "\r\n", "\n"), "\n")
	words := strings.Split(lines[0], " ")
	if len(words) != 3 || words[1] == "" || strings.ContainsFunc(words[1], func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", nil, 400
	}
	if words[2] != "HTTP/1.1" {
		if words[1] == "*" {
			return "", nil, 400
		}
		return "", nil, 505
	}
	fields = map[string][]string{}
	for _, line := range lines[1:] {
		name, value, found := strings.Cut(line, ":")
		if !found || !token(name) {
			return "", nil, 400
		}
		name = strings.ToLower(name)
		fields[name] = append(fields[name], strings.Trim(value, " \t"))
	}
	if words[0] != "GET" {
		return "", nil, 405
	}
	return words[1], fields, 0
}

// judge decides what a well-formed GET gets.
func (c *modelConn) judge(target string, fields map[string][]string) int {
	one := func(name string) bool { return len(fields[name]) == 1 || c.has("duplicates") && len(fields[name]) > 1 }
	if !one("host") || strings.ContainsAny(fields["host"][0], "@/, ") {
		return 400
	}
	if target[0] != '/' && !strings.HasPrefix(target, "http://") && !strings.HasPrefix(target, "ws://") {
		return 400
	}
	if len(fields["transfer-encoding"]) > 0 && !c.has("bodies") {
		return 400
	}
	if length := fields["content-length"]; len(length) > 0 && !c.has("bodies") {
		if n, err := strconv.Atoi(length[0]); len(length) > 1 || err != nil || n != 0 || length[0] != "0" {
			return 400
		}
	}
	if !one("upgrade") || !c.tokenIn(fields["upgrade"][0], "websocket") || !c.tokenIn(strings.Join(fields["connection"], ","), "upgrade") {
		return 400
	}
	if !c.allows(fields["origin"]) {
		return 403
	}
	if !one("sec-websocket-version") || fields["sec-websocket-version"][0] != "13" {
		return 426
	}
	if !one("sec-websocket-key") {
		return 400
	}
	key := fields["sec-websocket-key"][0]
	if raw, err := base64.StdEncoding.DecodeString(key); (err != nil || len(raw) != 16) && !c.has("any-key") {
		return 400
	}
	return 101
}
