package torture

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// Row C4: what the table calls corrupt is corrupt to compress/flate, too,
// whatever was inflated before it; and with a tail of its own, too.
func TestCorruptStreams(t *testing.T) {
	for _, s := range corruptStreams() {
		for _, past := range []string{"", "Hello", "Hello, hello, hello!"} {
			if message, err := verdict(s.payload, []byte(past)); err == nil {
				t.Errorf("%s: % x after %q is %q", s.id, s.payload, past, message)
			}
		}
	}
}

// Streams made by hand that are good: the corrupt ones differ in what they say.
func TestBits(t *testing.T) {
	for _, c := range []struct {
		name string
		made []byte
		past string
		want string
	}{
		{"literals", new(bits).fixed().symbol('r').symbol('\xe9').symbol(256).message(), "", "r\xe9"},
		{"a distance of one", new(bits).fixed().symbol('r').symbol(264).code(0, 5).symbol(256).message(), "", strings.Repeat("r", 11)},
		{"a distance of five", new(bits).fixed().symbol(264).code(4, 5).put(0, 1).symbol(256).message(), "Hello", "HelloHello"},
		{"the longest code for a length", new(bits).fixed().symbol('r').symbol(285).code(0, 5).symbol(256).message(), "", strings.Repeat("r", 259)},
		{"two codes of one bit", literalTables(2).code(0, 1).code(1, 1).message(), "", "\x00"},
		{"nothing, stored", manyBlocks(emptyStored, 3), "", ""},
		{"nothing, in fixed codes", manyBlocks(emptyFixed, 3), "", ""},
		{"nothing, in codes of its own", manyBlocks(emptyDynamic, 3), "", ""},
		{"the second Hello", again, "Hello", "Hello"},
		{"a block that ends with the tail", payload("000900f6ff48656c6c6f"), "", "Hello\x00\x00\xff\xff"},
		{"BFINAL without the block behind it", payload("f348cdc9c90700"), "", "Hello"},
	} {
		if got, err := verdict(c.made, []byte(c.past)); err != nil || string(got) != c.want {
			t.Errorf("%s: % x is %q, %v", c.name, c.made, got, err)
		}
	}
}

// What is squeezed is inflated by who has the window that was agreed on, and no more of it.
func TestSqueezer(t *testing.T) {
	for _, c := range []struct {
		answer string
		reach  int
	}{
		{"permessage-deflate", 1 << 15},
		{"permessage-deflate; client_max_window_bits=9", 1 << 9},
		{"permessage-deflate; client_no_context_takeover", 0},
	} {
		z := &squeezer{agreed: inflaterFor(map[string][]string{"Sec-Websocket-Extensions": {c.answer}})}
		var past []byte
		refers := 0
		for i := range 60 {
			message := []byte(strings.Repeat(string(filled(50)), 1+i%3) + string(filled(300 + i)[250:]))
			p := z.after(message)
			got, err := verdict(p, past[max(0, len(past)-c.reach):])
			if err != nil || !bytes.Equal(got, message) {
				t.Fatalf("%s: message %d: %q, %v", c.answer, i, got, err)
			}
			if _, err := verdict(p, nil); err != nil {
				refers++
			}
			past = append(past, message...)
		}
		if (refers > 0) != (c.reach > 0) {
			t.Errorf("%s: %d messages refer to others", c.answer, refers)
		}
	}
}

// The sizes of what does not compress are exact.
func TestStored(t *testing.T) {
	for _, n := range []int{100, 1 << 16, 1 << 20, 16 << 20} {
		if b := stored(noise(storedIn(n))); len(b) != n {
			t.Errorf("%d bytes for %d", len(b), n)
		}
	}
	message := noise(200_000)
	if got, err := verdict(stored(message), nil); err != nil || !bytes.Equal(got, message) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// Shares are a message in exactly so many fragments.
func TestInShares(t *testing.T) {
	for _, n := range []int{1, 2, 7, 100} {
		parts := inShares(opText, filled(100), n)
		var joined []byte
		for i, p := range parts {
			f := p.(Frame)
			if (f.RSV == rsv1 && f.Op == opText) != (i == 0) || f.More != (i < n-1) || len(f.Payload) == 0 {
				t.Errorf("%d shares: fragment %d is %+v", n, i, f)
			}
			joined = append(joined, f.Payload...)
		}
		if len(parts) != n || !bytes.Equal(joined, filled(100)) {
			t.Errorf("%d fragments, not %d: %q", len(parts), n, joined)
		}
	}
}

// Row C13: a message that is somebody else's, or was changed, is named.
func TestStamp(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, 1000} {
		p := stamp(r, 12, 3, size)
		if got := whose(p); got != "message 3 of connection 12" {
			t.Errorf("%s: %q", got, p)
		}
		for i := range p {
			bad := clone(p)
			bad[i] ^= 0x40
			if got := whose(bad); got == "message 3 of connection 12" {
				t.Errorf("changed at %d: %s", i, got)
			}
		}
	}
	if got := whose([]byte("short")); got != "a message of nobody's" {
		t.Error(got)
	}
}

// Row C12: a codec that each connection keeps is noticed, and a server that has none is not.
func TestIdleMemoryIsNoticed(t *testing.T) {
	thisProcess(t)
	operator := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m runtime.MemStats
		if runtime.GC(); r.URL.Path == "/metrics" {
			runtime.ReadMemStats(&m)
			fmt.Fprintf(w, "%s %d\n", heapFigure, m.HeapAlloc)
		}
	}))
	defer operator.Close()
	for defect, noticed := range map[string]bool{"": false, "keeps-codec": true} {
		undisturbed(t, func() []string {
			m := startModel(t, defect, Options{Deflate: true})
			o := m.o
			o.Pid, o.Admin = os.Getpid(), operator.URL
			b := &Bench{o: &o}
			defer b.hangUp()
			if err := idleMemory(b); (err != nil) != noticed {
				return []string{fmt.Sprintf("defect %q: %v", defect, err)}
			}
			return nil
		})
	}
}

// A server that compresses nothing is told so, and not failed for it.
func TestDeflateIsNotApplicable(t *testing.T) {
	for said, why := range map[bool]string{true: "the server declines permessage-deflate", false: "the server was not said to compress"} {
		m := startModel(t, "", Options{})
		s, err := Run(t.Context(), Options{URL: m.url, Deflate: said, Run: regexp.MustCompile("^(C1|F29)/")}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if s.Plain != why || s.perRow["C1"] != nil || s.Record("x").Plain != why {
			t.Errorf("%q instead of %q", s.Plain, why)
		}
	}
}
