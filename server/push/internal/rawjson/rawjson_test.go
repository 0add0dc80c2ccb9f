package rawjson

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// hostile are the texts of row A7 and the corners of RFC 8259's grammar. They
// also seed the fuzz target.
var hostile = []struct {
	text string
	ok   bool
}{
	{``, false}, {` `, false}, {`null`, true}, {` null `, true}, {`nul`, false}, {`nulll`, false},
	{`true`, true}, {`false`, true}, {`True`, false},
	{`0`, true}, {`-0`, true}, {`-`, false}, {`01`, false}, {`1.`, false}, {`.5`, false}, {`1.5e+3`, true},
	{`1e`, false}, {`1e999`, true}, {`+1`, false}, {`1x`, false}, {`NaN`, false},
	{`""`, true}, {`"`, false}, {`"a`, false}, {`"\`, false}, {`"\"`, false}, {`"\\"`, true}, {`"\x"`, false},
	{`"\u12"`, false}, {`"\u12G4"`, false}, {`"\u00e9"`, true}, {`"\ud800"`, true}, {`"\ud83d\ude00"`, true},
	{"\"a\nb\"", false}, {"\"a\x00b\"", false}, {"\"\xff\"", false}, {"\ufeff{}", false},
	{`'a'`, false}, {`{}`, true}, {`{ }`, true}, {`{`, false}, {`{"a"}`, false}, {`{"a":}`, false}, {`{"a":1,}`, false},
	{`{a:1}`, false}, {`{"a":1 "b":2}`, false}, {`{"a" : 1 , "b":[ ]}`, true}, {`{"a":1}{}`, false}, {`{"a":1}x`, false},
	{`[]`, true}, {`[`, false}, {`[1,]`, false}, {`[,1]`, false}, {`[1 2]`, false}, {`[1,[2,{"a":[3]}]]`, true}, {`]`, false},
	{"[1]\x00", false}, {"//x\n1", false}, {`{"a":1,"a":2}`, true}, {`{1:2}`, false},
	{strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth), true},
	{strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1), false},
	{strings.Repeat(`{"a":`, MaxDepth) + "1" + strings.Repeat("}", MaxDepth), true},
	{strings.Repeat(`{"a":`, MaxDepth+1) + "1" + strings.Repeat("}", MaxDepth+1), false},
	{strings.Repeat("[", 1_000_000), false}, {strings.Repeat("1", 1_000_000), true},
}

// RFC 8259, and row A7: what is not JSON is refused, nesting is bounded.
func TestParseAcceptsExactlyJSON(t *testing.T) {
	for _, c := range hostile {
		_, err := Parse([]byte(c.text))
		if (err == nil) != c.ok {
			t.Errorf("%.60q: err = %v, want valid %v", c.text, err, c.ok)
		}
	}
}

// A text cut anywhere is refused, never a panic: the seven bytes of an escape
// and the last byte of a value are where parsers read on.
func TestParseRefusesEveryPrefix(t *testing.T) {
	text := `{"a\u00e9\ud83d\ude00":[1.5e-3,true,null,"\\\"",{}],"b":-0}`
	for cut := range text {
		if _, err := Parse([]byte(text[:cut])); err == nil {
			t.Errorf("prefix of %d bytes accepted: %q", cut, text[:cut])
		}
	}
}

func TestPickFindsMembersByName(t *testing.T) {
	v := parse(t, ` { "x" : {"event":"inner","deep":["}"]} , "\u0065vent":"e", "data" :[1, "]"] ,"n":1.0e2}`)
	var got [4]Value
	if err := v.Pick(got[:], "event", "data", "n", "missing"); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{`"e"`, `[1, "]"]`, `1.0e2`, ``} {
		if string(got[i].Raw()) != want {
			t.Errorf("member %d is %q, want %q", i, got[i].Raw(), want)
		}
	}
	if got[3].Kind() != Absent {
		t.Errorf("a missing member is %v", got[3].Kind())
	}
}

// Row A7: a name that is there twice means two things to two readers.
func TestPickRefusesDuplicates(t *testing.T) {
	var got [1]Value
	for _, text := range []string{`{"a":1,"a":2}`, `{"a":1,"b":3,"\u0061":2}`} {
		if err := parse(t, text).Pick(got[:], "a"); err == nil {
			t.Errorf("%s: accepted", text)
		}
	}
	if err := parse(t, `{"b":1,"b":2,"a":3}`).Pick(got[:], "a"); err != nil {
		t.Errorf("names nobody asked for: %v", err)
	}
}

// Type confusion is an answer, not a panic.
func TestPickRefusesEverythingButObjects(t *testing.T) {
	var got [1]Value
	for _, text := range []string{`null`, `1`, `"x"`, `[]`, `true`} {
		if err := parse(t, text).Pick(got[:], "a"); err == nil {
			t.Errorf("%s: accepted", text)
		}
	}
	if err := (Value{}).Pick(got[:], "a"); err == nil {
		t.Error("the zero value: accepted")
	}
}

func TestElementsInOrder(t *testing.T) {
	var got []string
	for v := range parse(t, `[ 1 ,"a,]", [2,3],{"x":[]}, null]`).Elements() {
		got = append(got, string(v.Raw()))
	}
	if want := `1|"a,]"|[2,3]|{"x":[]}|null`; strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", strings.Join(got, "|"), want)
	}
	for range parse(t, `{"a":[1]}`).Elements() {
		t.Error("an object has elements")
	}
}

func TestStringsDecodeAsEncodingJSONDoes(t *testing.T) {
	for _, text := range []string{`""`, `"abc"`, `"\"\\\/\b\f\n\r\t"`, `"\u00e9\u0000x"`, `"\ud83d\ude00"`, `"\ud800x"`, `"\ud800\u0041"`, `"\ud800\ud800\udc00"`, `"é<>&😀"`} {
		var want string
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		v := parse(t, text)
		if string(v.Bytes()) != want || v.Len() != len(want) {
			t.Errorf("%s: got %q of length %d, want %q of length %d", text, v.Bytes(), v.Len(), want, len(want))
		}
	}
}

// 1.2: no HTML escaping; what goes in comes out.
func TestQuoteEscapesOnlyWhatItMust(t *testing.T) {
	if got, want := string(Quote("<a href=\"x\">&\u2028\\\n\x01</a>").Raw()), "\"<a href=\\\"x\\\">&\u2028\\\\\\n\\u0001</a>\""; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := string(Quote([]byte("a\xffb")).Raw()); got != "\"a\ufffdb\"" {
		t.Errorf("bytes that are no UTF-8 became %q", got)
	}
}

// A ping a second from a million clients must not feed the garbage collector.
func TestParseAndPickAllocateNothing(t *testing.T) {
	text := []byte(`{"event":"pusher:ping","data":{}}`)
	n := testing.AllocsPerRun(100, func() {
		v, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		var got [2]Value
		if err := v.Pick(got[:], "event", "data"); err != nil || string(got[0].Bytes()) != "pusher:ping" {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The model is encoding/json with our two extra rules: UTF-8 and bounded depth.
func FuzzParse(f *testing.F) {
	for _, c := range hostile {
		if len(c.text) < 1000 {
			f.Add([]byte(c.text))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := Parse(text)
		if want := json.Valid(text) && utf8.Valid(text) && depth(text) <= MaxDepth; (err == nil) != want {
			t.Fatalf("%q: err = %v, want valid %v", text, err, want)
		}
		if err != nil {
			return
		}
		walk(t, v)
	})
}

// walk reads every value below v and compares strings with encoding/json.
func walk(t *testing.T, v Value) {
	switch v.Kind() {
	case String:
		var want string
		if err := json.Unmarshal(v.Raw(), &want); err != nil || want != string(v.Bytes()) || v.Len() != len(want) {
			t.Fatalf("%q: got %q (%d), want %q, %v", v.Raw(), v.Bytes(), v.Len(), want, err)
		}
		var again string
		if err := json.Unmarshal(Quote(want).Raw(), &again); err != nil || again != want {
			t.Fatalf("quoting %q gave %q, %v", want, again, err)
		}
	case Array:
		var want []json.RawMessage
		if err := json.Unmarshal(v.Raw(), &want); err != nil {
			t.Fatal(err)
		}
		i := 0
		for e := range v.Elements() {
			if string(e.Raw()) != string(want[i]) {
				t.Fatalf("element %d of %q: %q, want %q", i, v.Raw(), e.Raw(), want[i])
			}
			walk(t, e)
			i++
		}
		if i != len(want) {
			t.Fatalf("%d elements of %q, want %d", i, v.Raw(), len(want))
		}
	case Object:
		var want map[string]json.RawMessage
		if err := json.Unmarshal(v.Raw(), &want); err != nil {
			t.Fatal(err)
		}
		for name, raw := range want {
			var got [1]Value
			if err := v.Pick(got[:], name); err != nil {
				continue // there twice, or written so that it decodes to another name's U+FFFD
			}
			if string(got[0].Raw()) != string(raw) {
				t.Fatalf("member %q of %q: %q, want %q", name, v.Raw(), got[0].Raw(), raw)
			}
			walk(t, got[0])
		}
	}
}

// depth is how deep valid JSON text is nested.
func depth(text []byte) int {
	level, deepest, inString := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '[' || c == '{':
			level++
			deepest = max(deepest, level)
		case c == ']' || c == '}':
			level--
		}
	}
	return deepest
}

func parse(t *testing.T, text string) Value {
	t.Helper()
	v, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}
