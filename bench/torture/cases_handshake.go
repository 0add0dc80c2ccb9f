package torture

import (
	"fmt"
	"strings"
)

// accepts is a handshake that must succeed.
func accepts(id, rfc, name string, r request) Case {
	return opening(id, rfc, name, &knock{send: r.wire(), accept: true})
}

// mayAccept is one that may succeed, or be refused with one of the statuses.
func mayAccept(id, rfc, name string, r request, status ...int) Case {
	return opening(id, rfc, name, &knock{send: r.wire(), accept: true, status: status})
}

// refuses is one that must be refused with one of the statuses.
func refuses(id, rfc, name string, r request, status ...int) Case {
	return opening(id, rfc, name, &knock{send: r.wire(), status: status})
}

func opening(id, rfc, name string, k *knock) Case {
	if k.key == "" {
		k.key = exampleKey
	}
	return Case{ID: id, RFC: rfc, Name: name, Want: k.String(), knock: k, modes: Whole | Bytes}
}

// everywhere cuts a handshake at every offset too.
func (c Case) everywhere() Case { return c.only(everyMode) }

// with changes what a handshake may end in.
func (c Case) with(change func(k *knock)) Case {
	change(c.knock)
	c.Want = c.knock.String()
	return c
}

// handshakeCases: what RFC 6455, 4.2.1 asks of a client, each part wrong in turn.
func handshakeCases(o *Options) []Case {
	get := o.request()
	all := []Case{
		accepts("H16/plain", "4.2.2", "a correct opening handshake", get).everywhere(),
		accepts("H16/lower-case-names", "4.2.1", "one with field names in lower case", o.lowerCase()).everywhere(),
		accepts("H16/no-space-after-colon", "RFC 9112, 5", "one without spaces after colons", o.spaced(":")),
		accepts("H16/tabs-around-values", "RFC 9112, 5", "one with tabs and spaces around values", o.spaced(": \t ")),
		accepts("H16/many-fields", "4.2.1", "one with the fields of a browser", get.with(
			"User-Agent: Mozilla/5.0 (X11; Linux x86_64)", "Accept-Language: en,de;q=0.5", "Accept-Encoding: gzip, deflate, br",
			"Pragma: no-cache", "Cache-Control: no-cache", "Sec-Fetch-Mode: websocket", "Cookie: a=b; c=d")).everywhere(),
	}
	return append(all, concat(upgradeCases(get), versionCases(get), keyCases(get), methodCases(o, get))...)
}

func concat(lists ...[]Case) (all []Case) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func (o *Options) lowerCase() request {
	r := o.request()
	for i, f := range r.fields {
		name, value, _ := strings.Cut(f, ":")
		r.fields[i] = strings.ToLower(name) + ":" + value
	}
	return r
}

func (o *Options) spaced(colon string) request {
	r := o.request()
	for i, f := range r.fields {
		name, value, _ := strings.Cut(f, ": ")
		r.fields[i] = name + colon + value
		if colon != ":" {
			r.fields[i] += "\t "
		}
	}
	return r
}

// upgradeCases: Upgrade and Connection are lists of tokens in either case. Row H7.
func upgradeCases(get request) (all []Case) {
	for name, line := range map[string]string{
		"camel": "Upgrade: WebSocket", "upper": "Upgrade: WEBSOCKET", "first": "Upgrade: websocket, h2c",
		"last": "Upgrade: h2c, websocket", "empty": "Upgrade: ,, websocket,",
	} {
		all = append(all, accepts("H7/upgrade-list-"+name, "4.2.1; RFC 9110, 7.8", line, get.set("Upgrade", line)))
	}
	for name, line := range map[string]string{
		"lower": "Connection: upgrade", "upper": "Connection: UPGRADE", "keep-alive": "Connection: keep-alive, Upgrade",
		"keep-alive-tight": "Connection: keep-alive,Upgrade", "first": "Connection: Upgrade, keep-alive", "empty": "Connection: , Upgrade ,",
	} {
		all = append(all, accepts("H7/connection-list-"+name, "4.2.1; RFC 9110, 7.6.1", line, get.set("Connection", line)))
	}
	all = append(all, accepts("H7/connection-list-two-lines", "RFC 9110, 5.3", "Connection: keep-alive and Connection: Upgrade",
		get.set("Connection", "Connection: keep-alive").with("Connection: Upgrade")))

	// Without Upgrade: websocket the request is plain HTTP, which a server may
	// answer as it likes, with the connection kept; but not with 101.
	plain := []int{200, 204, 400, 404, 405, 426, 501}
	for name, line := range map[string]string{
		"empty": "Upgrade:", "other": "Upgrade: h2c", "longer": "Upgrade: websockets", "shorter": "Upgrade: websocke",
		"inside": "Upgrade: notwebsocket", "two-words": "Upgrade: web socket", "quoted": "Upgrade: \"websocket\"",
	} {
		all = append(all, refuses("H7/upgrade-"+name, "4.2.1", line, get.set("Upgrade", line), plain...).with(anyAnswer))
	}
	all = append(all, refuses("H7/upgrade-missing", "4.2.1", "no Upgrade field", get.without("Upgrade"), plain...).with(anyAnswer))
	for name, line := range map[string]string{
		"empty": "Connection:", "keep-alive": "Connection: keep-alive", "longer": "Connection: upgraded", "inside": "Connection: no-upgrade",
		"close": "Connection: close", "other-separator": "Connection: keep-alive; Upgrade",
	} {
		all = append(all, refuses("H7/connection-"+name, "4.2.1", line, get.set("Connection", line), plain...).with(anyAnswer))
	}
	return append(all, refuses("H7/connection-missing", "4.2.1", "no Connection field", get.without("Connection"), plain...).with(anyAnswer))
}

// anyAnswer leaves open whether a refusal ends the connection.
func anyAnswer(k *knock) { k.again = true }

// versionCases: only version 13, and a refusal names it. Row H6.
func versionCases(get request) (all []Case) {
	for _, v := range []string{"", "0", "7", "8", "12", "14", "130", "013", "+13", "-13", "13.0", "0x0d", "1 3", "13, 8", "8, 13", "13;", "thirteen", "\"13\""} {
		line := "Sec-WebSocket-Version: " + v
		c := refuses(fmt.Sprintf("H6/version-%q", v), "4.2.1, 4.2.2, 4.4", line, get.set("Sec-WebSocket-Version", line), 426, 400)
		if v != "" {
			c = c.with(func(k *knock) { k.needs = []string{"Sec-WebSocket-Version: 13"} })
		}
		all = append(all, c)
	}
	return append(all,
		refuses("H6/version-missing", "4.2.1", "no Sec-WebSocket-Version", get.without("Sec-WebSocket-Version"), 426, 400),
		refuses("H6/version-twice", "11.3.5", "Sec-WebSocket-Version: 13 twice", get.with("Sec-WebSocket-Version: 13"), 426, 400),
		refuses("H6/version-two", "11.3.5", "Sec-WebSocket-Version: 13 and 8", get.with("Sec-WebSocket-Version: 8"), 426, 400),
		accepts("H6/version-spaces", "RFC 9110, 5.5", "Sec-WebSocket-Version with white space around 13",
			get.set("Sec-WebSocket-Version", "Sec-WebSocket-Version: \t 13 \t")),
	)
}

// keyCases: the key is 16 bytes in base64. Row H8.
func keyCases(get request) (all []Case) {
	const field = "Sec-WebSocket-Key"
	for name, key := range map[string]string{
		"example": exampleKey, "zeros": "AAAAAAAAAAAAAAAAAAAAAA==", "ones": "/////////////////////w==", "plus": "++++++++++++++++++++++==",
		"counting": "AQIDBAUGBwgJCgsMDQ4PEA==",
	} {
		all = append(all, accepts("H8/key-"+name, "4.2.2", field+": "+key, get.set(field, field+": "+key)).with(func(k *knock) { k.key = key }))
	}
	for name, key := range map[string]string{
		"empty": "", "15-bytes": "AQIDBAUGBwgJCgsMDQ4P", "17-bytes": "AQIDBAUGBwgJCgsMDQ4PEBE=", "unpadded": "dGhlIHNhbXBsZSBub25jZQ",
		"half-padded": "dGhlIHNhbXBsZSBub25jZQ=", "url-alphabet": "dGhlIHNhbX-sZSBub25j_Q==", "space-inside": "dGhlIHNhbXBs ZSBub25jZQ==",
		"bang": "!GhlIHNhbXBsZSBub25jZQ==", "padding-first": "==GhlIHNhbXBsZSBub25jZQ", "trailing": exampleKey + "=", "list": exampleKey + ", " + exampleKey,
		"long": strings.Repeat("A", 1000), "one": "A",
	} {
		all = append(all, refuses("H8/key-"+name, "4.2.1", field+": "+brief([]byte(key)), get.set(field, field+": "+key), 400))
	}
	return append(all,
		refuses("H8/key-missing", "4.2.1", "no "+field, get.without(field), 400),
		refuses("H8/key-twice", "11.3.1", field+" twice", get.with(field+": "+exampleKey), 400),
		refuses("H8/key-two", "11.3.1", "two different keys", get.with(field+": AQIDBAUGBwgJCgsMDQ4PEA=="), 400),
	)
}

// methodCases: GET, HTTP/1.1. Row H9.
func methodCases(o *Options, get request) (all []Case) {
	wrong := []int{400, 404, 405, 426, 501}
	for _, m := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "Get", "GETS", "BREW"} {
		all = append(all, refuses("H9/method-"+m, "4.2.1", m+" for GET", get.asks(m+" "+o.path+" HTTP/1.1"), wrong...))
	}
	all = append(all, refuses("H9/method-HEAD", "4.2.1", "HEAD for GET", get.asks("HEAD "+o.path+" HTTP/1.1"), wrong...).
		with(func(k *knock) { k.head = true }))
	versions := []int{400, 404, 426, 505}
	for _, v := range []string{"HTTP/1.0", "HTTP/2.0", "HTTP/9.9", "HTTP/0.9", "HTTP/1.2", "HTTP/3.0", "http/1.1", "HTTP/1.10", "HTTP/11", "HTTP/1,1", "HTTP/1.", "HTTP 1.1", "HTTP/1.1x", "WS/1.1"} {
		c := refuses("H9/protocol-"+v, "4.2.1; RFC 9112, 2.3", v+" for HTTP/1.1", get.asks("GET "+o.path+" "+v), versions...).with(anyDrop)
		if v == "HTTP/1.2" {
			// A higher minor version is compatible: RFC 9110, 6.2 lets a server treat it as 1.1.
			c = c.with(func(k *knock) { k.accept = true })
		}
		all = append(all, c)
	}
	for name, line := range map[string]string{
		"no-version": "GET " + o.path, "two-spaces": "GET  " + o.path + " HTTP/1.1", "space-before": " GET " + o.path + " HTTP/1.1",
		"space-after": "GET " + o.path + " HTTP/1.1 ", "tab": "GET\t" + o.path + "\tHTTP/1.1", "only-method": "GET", "empty-target": "GET  HTTP/1.1",
		"space-in-target": "GET /a b HTTP/1.1", "nul-in-target": "GET /a\x00b HTTP/1.1", "no-slash": "GET chat HTTP/1.1",
		"control-in-target": "GET /a\x01 HTTP/1.1", "delete-in-target": "GET /a\x7f HTTP/1.1",
	} {
		all = append(all, refuses("H9/line-"+name, "RFC 9112, 3", fmt.Sprintf("the request line %q", line), get.asks(line), 400, 404).with(anyDrop))
	}
	return all
}

// anyDrop lets a server close without an answer: what was sent is hardly HTTP.
func anyDrop(k *knock) { k.drop = true }
