package torture

import (
	"fmt"
	"strings"
)

// offerCases: subprotocols, extensions and origins that a client offers. The
// server under test chooses what it knows, or nothing; what it must not do is
// answer with something that was not offered. Rows H18 to H21.
func offerCases(o *Options) (all []Case) {
	get := o.request()
	for _, offer := range []string{
		"chat", "chat, superchat", "superchat,chat", "", ",", " , ,chat", "a b", "a@b", "a\"b\"", "\"chat\"", "chat;q=1", "<script>",
		"%0d%0aX-Injected:%20y", "chat\tsuper", strings.Repeat("p,", 200) + "p", strings.Repeat("x", 2000),
	} {
		var offered []string
		for _, p := range strings.Split(offer, ",") {
			offered = append(offered, strings.Trim(p, " \t"))
		}
		all = append(all, mayAccept(fmt.Sprintf("H19/protocol-%s", short(offer)), "4.2.2, 11.3.4", "Sec-WebSocket-Protocol: "+brief([]byte(offer)),
			get.with("Sec-WebSocket-Protocol: "+offer), 400).with(func(k *knock) { k.protocols = offered }))
	}
	all = append(all,
		mayAccept("H19/protocol-two-lines", "11.3.4", "two Sec-WebSocket-Protocol fields", get.with("Sec-WebSocket-Protocol: a", "Sec-WebSocket-Protocol: b"), 400).
			with(func(k *knock) { k.protocols = []string{"a", "b"} }),
		accepts("H20/unknown-extension", "4.2.2, 9.1", "an extension that nobody knows", get.with("Sec-WebSocket-Extensions: x-nobody-knows; a=b")),
		accepts("H20/webkit-deflate", "9.1", "an extension that was given up", get.with("Sec-WebSocket-Extensions: x-webkit-deflate-frame")),
	)
	for _, offer := range []string{
		"permessage-deflate", "permessage-deflate; client_max_window_bits", "permessage-deflate; server_max_window_bits=10",
		"permessage-deflate; unknown=1", "permessage-deflate; server_max_window_bits=7", "permessage-deflate, permessage-deflate",
		"permessage-deflate; server_no_context_takeover; server_no_context_takeover", "permessage-deflate; server_max_window_bits=\"10\"",
	} {
		// Declined or accepted: plain frames stay plain either way.
		all = append(all, accepts("H20/offer-"+short(offer), "4.2.2, 9.1; RFC 7692, 7.1", "Sec-WebSocket-Extensions: "+offer,
			get.with("Sec-WebSocket-Extensions: "+offer)).with(func(k *knock) { k.extensions = offer }).only(Whole))
	}
	for _, offer := range []string{
		"", ",", ";", ";;;", "=", "constructor", "__proto__", "permessage-deflate;", "permessage-deflate; a=\"\\\"", "permessage-deflate; a=\"",
		"permessage-deflate;;a", "permessage-deflate; =1", "permessage-deflate a", strings.Repeat(",", 1000), strings.Repeat(" ", 4000),
		strings.Repeat("a;", 500), strings.Repeat("\"", 99), "permessage-deflate" + strings.Repeat("; a", 300),
	} {
		all = append(all, mayAccept("H18/offer-"+short(offer), "9.1", "Sec-WebSocket-Extensions: "+brief([]byte(offer)),
			get.with("Sec-WebSocket-Extensions: "+offer), 400).with(func(k *knock) { k.extensions = offer }).only(Whole))
	}
	for _, field := range []string{"X-Forwarded-For:", "X-Forwarded-For: , ,", "X-Forwarded-For: 999.1.1.1", "Forwarded: for=\"", "Cookie: =;=;", "Authorization:", "Sec-WebSocket-Accept: x", "Sec-WebSocket-Odd: x"} {
		all = append(all, mayAccept("H18/field-"+field, "RFC 9110, 5", "the field "+field, get.with(field), 400).only(Whole))
	}
	for _, origin := range []string{"http://" + o.host, "https://elsewhere.example", "null", "file://", "", "not an origin", "https://a.example, https://b.example", "\xff"} {
		all = append(all, mayAccept(fmt.Sprintf("H21/origin-%q", origin), "4.2.2, 10.2", "Origin: "+origin, get.with("Origin: "+origin), 400, 403).only(Whole))
	}
	all = append(all, mayAccept("H21/origin-twice", "RFC 6454, 7.3", "two Origin fields", get.with("Origin: http://a.example", "Origin: http://b.example"), 400, 403))
	return all
}

// short makes an id of a value.
func short(s string) string {
	if len(s) > 60 {
		return fmt.Sprintf("%q-%d", s[:2], len(s))
	}
	return fmt.Sprintf("%q", s)
}
