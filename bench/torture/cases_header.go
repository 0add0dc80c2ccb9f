package torture

import "fmt"

// headerCases: Host, target, bodies, duplicates. Rows H10, H11, H13, H22, H28.
func headerCases(o *Options) (all []Case) {
	get := o.request()
	for _, field := range []string{"Host: " + o.host, "Host: other.example"} {
		all = append(all, refuses("H10/host-and-"+field[6:], "RFC 9112, 3.2", "a second field "+field, get.with(field), 400))
	}
	all = append(all,
		refuses("H10/length-twice", "RFC 9112, 6.3", "Content-Length 0 and 5", get.with("Content-Length: 0", "Content-Length: 5"), 400),
		mayAccept("H10/upgrade-twice", "RFC 9110, 5.3", "Upgrade: websocket twice", get.with("Upgrade: websocket"), 400),
		mayAccept("H10/upgrade-conflict", "RFC 9110, 5.3", "Upgrade: websocket and Upgrade: h2c", get.with("Upgrade: h2c"), 400),
		refuses("H11/host-missing", "4.2.1; RFC 9112, 3.2", "no Host field", get.without("Host"), 400),
		mayAccept("H11/host-empty", "RFC 9112, 3.2", "an empty Host field", get.set("Host", "Host:"), 400),
		refuses("H11/host-userinfo", "RFC 9110, 4.2.4", "a Host field with userinfo", get.set("Host", "Host: user@"+o.host), 400),
		refuses("H11/host-space", "RFC 9112, 3.2", "a Host field with a space inside", get.set("Host", "Host: a b"), 400),
		refuses("H11/host-path", "RFC 9112, 3.2", "a Host field with a path", get.set("Host", "Host: "+o.host+"/x"), 400),
		refuses("H11/host-list", "RFC 9112, 3.2", "a Host field with two hosts", get.set("Host", "Host: a, b"), 400),
		mayAccept("H11/absolute-form", "4.2.1; RFC 9112, 3.2.2", "the target in absolute-form", get.asks("GET http://"+o.host+o.path+" HTTP/1.1"), 400),
		mayAccept("H11/absolute-form-other", "RFC 9112, 3.2.2", "a target in absolute-form that names another host",
			get.asks("GET http://other.example"+o.path+" HTTP/1.1"), 400, 403, 421),
		mayAccept("H11/absolute-form-ws", "4.2.1", "the target in absolute-form with the scheme ws", get.asks("GET ws://"+o.host+o.path+" HTTP/1.1"), 400),
		mayAccept("H11/double-slash", "RFC 9112, 3.2.1", "a target that begins with two slashes", get.asks("GET //other.example"+o.path+" HTTP/1.1"), 400, 404),
		refuses("H11/asterisk", "RFC 9112, 3.2.4", "GET *", get.asks("GET * HTTP/1.1"), 400, 404, 405),
		refuses("H11/authority-form", "RFC 9112, 3.2.3", "GET with a target in authority-form", get.asks("GET "+o.addr+" HTTP/1.1"), 400, 404, 405),
		refuses("H11/connect", "RFC 9112, 3.2.3", "CONNECT", get.asks("CONNECT "+o.addr+" HTTP/1.1"), 400, 404, 405, 501),
		accepts("H28/expect", "RFC 9110, 10.1.1", "Expect: 100-continue on a request without body", get.with("Expect: 100-continue")).
			with(func(k *knock) { k.status = []int{417} }),
	)
	for _, v := range []string{"5", "1", "-1", "+5", "5,5", "0,0", "0x5", "5 ", "99999999999999999999", "9223372036854775807", "", "a"} {
		r := get.with("Content-Length: " + v).then(Raw("Hello"))
		all = append(all, refuses(fmt.Sprintf("H13/length-%q", v), "RFC 9112, 6.2, 6.3", "an upgrade with Content-Length: "+v, r, 400, 413).only(Whole))
	}
	for name, lines := range map[string][]string{
		"chunked":      {"Transfer-Encoding: chunked"},
		"chunked-both": {"Transfer-Encoding: chunked", "Content-Length: 5"},
		"identity":     {"Transfer-Encoding: identity"},
		"gzip-chunked": {"Transfer-Encoding: gzip, chunked"},
		"xchunked":     {"Transfer-Encoding: xchunked"},
		"twice":        {"Transfer-Encoding: chunked", "Transfer-Encoding: chunked"},
	} {
		r := get.with(lines...).then(Raw("5\r\nHello\r\n0\r\n\r\n"))
		all = append(all, refuses("H13/coding-"+name, "RFC 9112, 6.1", fmt.Sprintf("an upgrade with %q", lines), r, 400, 501).only(Whole))
	}
	all = append(all, accepts("H13/length-0", "RFC 9112, 6.2", "an upgrade with Content-Length: 0", get.with("Content-Length: 0")))
	return append(all, targetCases(get)...)
}

// targetCases: whatever the target, an answer; nothing decodes it twice or
// fails on it. Row H22.
func targetCases(get request) (all []Case) {
	for _, target := range []string{
		"/", "/a%2fb", "/%2e%2e/%2e%2e/etc/passwd", "/../../etc/passwd", "/a/./b", "/a;b=c", "/a?b?c", "/a?", "/?a=%00", "/%25%32%65",
		"/%e4%bd%a0", "/%ff", "/%c0%af", "/a%0d%0aX-Injected:%20y", "/%00", "/a%zz", "/a%", "/a%2", "/a#b", "/a|b", "/a\\b", "/a\"b", "/a<b>", "/a^b`{c}",
	} {
		all = append(all, mayAccept("H22/target-"+target, "RFC 9112, 3.2", "the target "+target, get.asks("GET "+target+" HTTP/1.1"), 400, 404).only(Whole))
	}
	all = append(all, mayAccept("H22/target-raw-utf8", "RFC 9112, 3.2", "a target with bytes above 7f", get.asks("GET /\xe4\xbd\xa0 HTTP/1.1"), 400, 404).only(Whole))
	return all
}

// syntaxCases: lines that two parsers may read in two ways. Row H12.
func syntaxCases(o *Options) (all []Case) {
	get := o.request()
	for name, line := range map[string]string{
		"space-before-colon": "X-Odd : a", "tab-before-colon": "X-Odd\t: a", "no-colon": "X-Odd", "empty-name": ": a",
		"bare-cr": "X-Odd: a\rb", "nul": "X-Odd: a\x00b", "control-1": "X-Odd: a\x01b", "escape": "X-Odd: a\x1bb", "delete": "X-Odd: a\x7fb",
		"name-8bit": "X-\xe4: a", "name-utf8": "X-\xc3\xa4: a", "name-space": "X Odd: a", "name-slash": "X/Odd: a", "name-brackets": "X[Odd]: a",
		"name-quote": "\"X-Odd\": a", "name-nul": "X-\x00Odd: a", "name-control": "X-\x02Odd: a", "fold": "X-Odd: a\r\n b", "fold-tab": "X-Odd: a\r\n\tb",
		"bare-lf": "X-Odd: a\nX-Two: b", "lf-cr": "X-Odd: a\n\rX-Two: b", "vertical-tab": "X-Odd: a\x0bb", "form-feed": "X-Odd: a\x0cb",
	} {
		all = append(all,
			refuses("H12/"+name, "RFC 9112, 5; RFC 9110, 5.5", fmt.Sprintf("the field line %q at the end", line), get.with(line), 400),
			refuses("H12/"+name+"-first", "RFC 9112, 5; RFC 9110, 5.5", fmt.Sprintf("the field line %q after the request line", line), get.first(line), 400))
	}
	lf := get
	lf.end = "\n"
	cr := get
	cr.end = "\r"
	double := get
	double.end = "\r\r\n"
	all = append(all,
		refuses("H12/lf-lines", "RFC 9112, 2.2", "all lines ended by LF alone", lf, 400).everywhere(),
		refuses("H12/cr-lines", "RFC 9112, 2.2", "all lines ended by CR alone", cr, 400),
		refuses("H12/crcrlf-lines", "RFC 9112, 2.2", "all lines ended by CR CR LF", double, 400),
		refuses("H12/space-before-first", "RFC 9112, 2.2", "white space before the first field", get.first(" X-Odd: a"), 400),
		refuses("H12/request-line-lf", "RFC 9112, 2.2", "the request line ended by LF alone", get.asks("GET "+o.path+" HTTP/1.1\nX-Odd: a"), 400),
		mayAccept("H12/empty-line-before", "RFC 9112, 2.2", "an empty line before the request line", get.asks("\r\n"+get.line), 400),
		refuses("H12/garbage-before", "RFC 9112, 3", "binary garbage before the request line", get.asks("\x00\xff\xfe"+get.line), 400).with(anyDrop),
		accepts("H12/value-8bit", "RFC 9110, 5.5", "bytes above 7f in a value", get.with("X-Odd: \xe4\xf6\xfc")),
		accepts("H12/value-empty", "RFC 9110, 5.5", "an empty value", get.with("X-Odd:")),
		accepts("H12/value-tab", "RFC 9110, 5.5", "a tab inside a value", get.with("X-Odd: a\tb")),
		accepts("H12/name-of-every-token-character", "RFC 9110, 5.6.2", "a name of all characters that a token may have",
			get.with("!#$%&'*+-.^_`|~09azAZ: a")),
	)
	return all
}
