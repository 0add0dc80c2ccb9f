package push

import (
	"math/rand/v2"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// Row A8: names are exact at the edge, and \z is not $.
func TestChannelNames(t *testing.T) {
	model := regexp.MustCompile(`\A[-a-zA-Z0-9_=@,.;]+\z`)
	cases := []string{"", "a", "-_=@,.;", "a\n", "a b", "a:b", "#server-to-user-1", "ä", "a\x00", "a/b", `a"b`, "a\\b", "a*", "a{b", "a`", "a[", "a^"}
	for c := range 256 {
		cases = append(cases, "x"+string([]byte{byte(c)}))
	}
	for _, name := range cases {
		if got, want := validChannelName(name), model.MatchString(name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
	if !validChannelName(strings.Repeat("x", MaxChannelName)) || validChannelName(strings.Repeat("x", MaxChannelName+1)) {
		t.Error("the limit is not at 200 characters")
	}
}

// 1.5: the table of prefixes.
func TestChannelKinds(t *testing.T) {
	for name, want := range map[string]channelKind{
		"news":                       {},
		"privateer":                  {},
		"private-":                   {private: true},
		"private-x":                  {private: true},
		"presence-x":                 {private: true, presence: true},
		"private-encrypted-x":        {private: true, encrypted: true},
		"cache-x":                    {cache: true},
		"private-cache-x":            {private: true, cache: true},
		"private-encrypted-cache-x":  {private: true, encrypted: true, cache: true},
		"presence-cache-x":           {private: true, presence: true, cache: true},
		"presence-encrypted-x":       {private: true, presence: true},
		"private-cache-encrypted-xx": {private: true, cache: true},
	} {
		if got := kindOf(name); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

// Row A9, 1.1: ids match the SDKs' pattern, both halves stay below 2^53, and
// the connection is found again.
func TestSocketIDsFindTheirConnection(t *testing.T) {
	pattern := regexp.MustCompile(`\A\d+\.\d+\z`)
	for range 1000 {
		n := newNumbering()
		loop, number := rand.IntN(maxLoops), rand.Uint64()
		id := n.id(loop, number)
		if id.first >= 1<<53 || id.second >= 1<<53 || !pattern.MatchString(id.String()) || id == (SocketID{}) {
			t.Fatalf("id %s of connection %d on loop %d", id, number, loop)
		}
		back, ok := ParseSocketID(id.String())
		if !ok || back != id {
			t.Fatalf("%s was read as %s, %v", id, back, ok)
		}
		gotLoop, gotNumber, ok := n.find(back)
		if !ok || gotLoop != loop || gotNumber != number {
			t.Fatalf("%s: found %d on loop %d, %v; want %d on loop %d", id, gotNumber, gotLoop, ok, number, loop)
		}
	}
}

// Row A10: an id of another run, or of nobody, is ignored and not misread.
func TestSocketIDsOfOthersAreNotFound(t *testing.T) {
	n := numbering{salt: 7}
	for _, other := range []SocketID{{}, numbering{salt: 8}.id(0, 1), numbering{salt: 7, node: 1}.id(0, 1)} {
		if loop, number, ok := n.find(other); ok {
			t.Errorf("%s was found as %d on loop %d", other, number, loop)
		}
	}
	for s, wellFormed := range map[string]bool{
		"1.2": true, "1234.1234": true, "99999999999999999999.1": true, "01.2": true, "9007199254740992.0": true,
		"": false, "1": false, "1.": false, ".1": false, "1.2.3": false, "1.2\n": false, " 1.2": false, "-1.2": false, "1.2:private-x": false, "0x1.2": false, "١.٢": false,
	} {
		id, ok := ParseSocketID(s)
		if ok != wellFormed {
			t.Errorf("%q: well-formed %v, want %v", s, ok, wellFormed)
		}
		if ok && id != (SocketID{}) && id.String() != s {
			t.Errorf("%q was read as %s", s, id)
		}
	}
}

// 1.11: the published vectors.
func TestChannelSignatureVectors(t *testing.T) {
	a := App{Key: "278d425bdf160c739803", Secret: "7ad3773142a6692b25b8"}
	const private = "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"
	for _, c := range []struct {
		auth  string
		parts []string
		want  bool
	}{
		{private, []string{"1234.1234", "private-foobar"}, true},
		{"278d425bdf160c739803:31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80", []string{"1234.1234", "presence-foobar", `{"user_id":10,"user_info":{"name":"Mr. Channels"}}`}, true},
		{"278d425bdf160c739803:afaed3695da2ffd16931f457e338e6c9f2921fa133ce7dac49f529792be6304c", []string{"1234.1234", "presence-foobar", `{"user_id":10,"user_info":{"name":"Mr. Pusher"}}`}, true},
		{"278d425bdf160c739803:4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba", []string{"1234.1234", "", "user", "", `{"id":"12345"}`}, true},
		{private, []string{"1234.1235", "private-foobar"}, false},
		{private, []string{"1234.1234", "private-foobaz"}, false},
		{"other" + private, []string{"1234.1234", "private-foobar"}, false},
		{strings.ToUpper(private), []string{"1234.1234", "private-foobar"}, false},
		{private[:21] + strings.ToUpper(private[21:]), []string{"1234.1234", "private-foobar"}, false},
		{private[21:], []string{"1234.1234", "private-foobar"}, false},
		{private[:len(private)-2], []string{"1234.1234", "private-foobar"}, false},
		{private + "00", []string{"1234.1234", "private-foobar"}, false},
		{"278d425bdf160c739803:", []string{"1234.1234", "private-foobar"}, false},
		{"278d425bdf160c739803:zz", []string{"1234.1234", "private-foobar"}, false},
		{"", []string{"1234.1234", "private-foobar"}, false},
		{":", []string{"1234.1234", "private-foobar"}, false},
	} {
		if got := a.authorises(c.auth, c.parts...); got != c.want {
			t.Errorf("%q for %q: %v, want %v", c.auth, c.parts, got, c.want)
		}
	}
}

// 1.1 and 1.4: which code answers which handshake.
func TestAdmission(t *testing.T) {
	table, err := (&apps{}).replace(&Hub{}, []App{{ID: "1", Key: "key", Secret: "s"}, {ID: "2", Key: "off", Secret: "s", Disabled: true}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		target string
		want   code
	}{
		{"/app/key?protocol=7", 0}, {"/app/key?protocol=6", 0}, {"/app/key?client=x&protocol=5&version=1.0", 0},
		{"/some/prefix/app/key?protocol=7", 0}, {"/app/app/key?protocol=7", 0},
		{"/app/nokey?protocol=7", codeNoApp}, {"/app/nokey", codeNoApp},
		{"/app/off?protocol=7", codeAppDisabled},
		{"/?protocol=7", codePathNotFound}, {"/app/?protocol=7", codePathNotFound}, {"/app?protocol=7", codePathNotFound},
		{"/app/key/?protocol=7", codePathNotFound}, {"/application/key?protocol=7", codePathNotFound}, {"/app/a%20b?protocol=7", codePathNotFound},
		{"/app/key", codeNoVersion}, {"/app/key?protocol=", codeNoVersion},
		{"/app/key?protocol=x", codeInvalidVersion}, {"/app/key?protocol=7.0", codeInvalidVersion}, {"/app/key?protocol=99999999999999999999", codeInvalidVersion},
		{"/app/key?protocol=4", codeUnsupportedVersion}, {"/app/key?protocol=8", codeUnsupportedVersion}, {"/app/key?protocol=-7", codeUnsupportedVersion},
	} {
		u, err := url.Parse(c.target)
		if err != nil {
			t.Fatal(err)
		}
		_, no := table.admit(u.Path, u.Query())
		if got := codeOf(no); got != c.want {
			t.Errorf("%s: %d, want %d", c.target, got, c.want)
		}
	}
}

func codeOf(r *refusal) code {
	if r == nil {
		return 0
	}
	return r.code
}

func TestAppsAreChecked(t *testing.T) {
	good := App{ID: "1", Key: "k", Secret: "s"}
	for name, configs := range map[string][]App{
		"none":         {},
		"no id":        {{Key: "k", Secret: "s"}},
		"slash in id":  {{ID: "a/b", Key: "k", Secret: "s"}},
		"colon in key": {{ID: "1", Key: "a:b", Secret: "s"}},
		"no key":       {{ID: "1", Secret: "s"}},
		"no secret":    {{ID: "1", Key: "k"}},
		"same id":      {good, {ID: "1", Key: "k2", Secret: "s"}},
		"same key":     {good, {ID: "2", Key: "k", Secret: "s"}},
		"negative":     {{ID: "1", Key: "k", Secret: "s", Limits: AppLimits{DataBytes: -1}}},
	} {
		if _, err := (&apps{}).replace(&Hub{}, configs); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	table, err := (&apps{}).replace(&Hub{}, []App{good})
	if err != nil {
		t.Fatal(err)
	}
	if got := table.byID["1"].config.Load().Limits; got.DataBytes != DefaultDataBytes || got.ChannelsPerConnection != DefaultChannelsPerConnection || got.ChannelsPerEvent != DefaultChannelsPerEvent {
		t.Errorf("limits %+v are not the defaults", got)
	}
}
