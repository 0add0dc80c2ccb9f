package torture

import (
	"fmt"
	"slices"
	"strings"
)

// admissionCases: handshakes that lead nowhere. A browser is told nothing about
// a handshake that failed, so the refusal comes in the open WebSocket, and must be
// read even behind 64 KiB that the client has sent already. Rows H22, H29, R12.
func admissionCases(o *Options, p *pusher) (all []Case) {
	path := func(key, query string) string {
		before, _, _ := strings.Cut(o.path, "/app/")
		return before + "/app/" + key + query
	}
	refused := func(id, name, target string, code int, fields ...string) {
		k := &knock{key: exampleKey, accept: true, end: ending{dismissed, []uint16{uint16(code)}}, want: []expect{wantSaid(complaint(code))}}
		if strings.HasPrefix(id, "H22/") {
			k.status = []int{400} // the path is none
		}
		k.send = o.request().asks("GET " + target + " HTTP/1.1").with(fields...).wire()
		all = append(all, Case{ID: id, RFC: "-", Name: name, Want: k.String(), knock: k, modes: Whole | Splits})
		early := *k
		early.send = o.request().asks("GET " + target + " HTTP/1.1").with(fields...).then(slices.Repeat([]part{text(strings.Repeat("x", 1000))}, 60)...).wire()
		all = append(all, Case{ID: id + "-early", RFC: "-", Name: name + ", and 60 KiB behind the request", Want: k.String(), knock: &early, modes: Whole})
	}
	const seven = "?protocol=7&client=js&version=8.6.0"
	refused("H29/no-app", "a key that no app has", path("nobody", seven), 4001)
	refused("H29/path", "a path without an app", "/chat"+seven, 4005)
	refused("H29/version-absent", "no version of the protocol", path(p.Key, ""), 4008)
	refused("H29/version-no-number", "a version that is no number", path(p.Key, "?protocol=seven"), 4006)
	refused("H29/version-old", "version 1", path(p.Key, "?protocol=1"), 4007)
	refused("H29/version-future", "version 99", path(p.Key, "?protocol=99"), 4007)
	refused("H22/key-escaped-nul", "a key with %00", path("a%00b", seven), 4005)
	refused("H22/key-dots", "a key of dots and escaped slashes", path("..%2f..%2fetc%2fpasswd", seven), 4005)
	refused("R12/key-escapes", "a key that would move a terminal's cursor, and a User-Agent and an Origin in the same spirit", path("%1b%5b31m%0d%0aforged", seven), 4005,
		"User-Agent: \u202e\u009b31m "+strings.Repeat("A", 2000), "Origin: https://forged\u2028line.example")

	k := &knock{key: exampleKey, accept: true, end: ending{how: alive}}
	k.send = o.request().asks("GET " + path(fmt.Sprintf("%%%02x%s", p.Key[0], p.Key[1:]), seven) + " HTTP/1.1").wire()
	return append(all, Case{ID: "H22/key-escaped", RFC: "RFC 3986, 2.3", Name: "the app's key with its first character escaped", Want: k.String(), knock: k, modes: Whole})
}
