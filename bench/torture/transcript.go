package torture

import (
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"
)

// transcript remembers what went over one connection, so that a failure can be
// read without running it again. It keeps the beginning and the end of long ones.
type transcript struct {
	mu      sync.Mutex // the reader and the writer both add
	start   time.Time
	first   []entry
	last    []entry // a ring
	dropped int
}

// entry is bytes that went one way in a row.
type entry struct {
	at    time.Duration
	last  time.Duration // of its last part
	sent  bool
	below bool   // bytes of TLS, not what is in it
	note  string // what happened, when it is not bytes
	bytes []byte // the first of them
	total int
	parts int // how many writes or reads they were
}

const (
	entriesKept = 40  // at either end
	bytesKept   = 256 // of each entry
)

// add notes bytes that were sent or received.
func (t *transcript) add(sent bool, b []byte) { t.bytes(b, sent, false) }

// addBelow notes bytes that were sent below TLS.
func (t *transcript) addBelow(b []byte) { t.bytes(b, true, true) }

func (t *transcript) bytes(b []byte, sent, below bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.tail(); e != nil && e.note == "" && e.sent == sent && e.below == below {
		e.bytes = append(e.bytes, b[:min(len(b), bytesKept-len(e.bytes))]...)
		e.total += len(b)
		e.parts++
		e.last = time.Since(t.start)
		return
	}
	t.push(entry{sent: sent, below: below, bytes: clone(b[:min(len(b), bytesKept)]), total: len(b), parts: 1})
}

// note adds a remark.
func (t *transcript) note(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.push(entry{note: fmt.Sprintf(format, args...)})
}

func (t *transcript) tail() *entry {
	if n := len(t.last); n > 0 {
		return &t.last[n-1]
	}
	if n := len(t.first); n > 0 {
		return &t.first[n-1]
	}
	return nil
}

func (t *transcript) push(e entry) {
	e.at = time.Since(t.start)
	e.last = e.at
	if len(t.first) < entriesKept {
		t.first = append(t.first, e)
		return
	}
	if len(t.last) == entriesKept {
		t.last = append(t.last[:0], t.last[1:]...)
		t.dropped++
	}
	t.last = append(t.last, e)
}

// String is the transcript with a hexdump of each entry.
func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var s strings.Builder
	for _, e := range t.first {
		e.write(&s)
	}
	if t.dropped > 0 {
		fmt.Fprintf(&s, "... %d entries left out ...\n", t.dropped)
	}
	for _, e := range t.last {
		e.write(&s)
	}
	return s.String()
}

func (e entry) write(s *strings.Builder) {
	ms := millis(e.at)
	if e.note != "" {
		fmt.Fprintf(s, "%9.1f ms -- %s\n", ms, e.note)
		return
	}
	way, parts := "received", "reads"
	if e.sent {
		way, parts = "sent", "writes"
	}
	what := "bytes"
	if e.below {
		what = "bytes of TLS"
	}
	fmt.Fprintf(s, "%9.1f ms %s %d %s in %d %s", ms, way, e.total, what, e.parts, parts)
	if e.parts > 1 {
		fmt.Fprintf(s, " until %.1f ms", millis(e.last))
	}
	s.WriteByte('\n')
	for _, line := range strings.SplitAfter(hex.Dump(e.bytes), "\n") {
		if line != "" {
			s.WriteString("    " + line)
		}
	}
	if e.total > len(e.bytes) {
		fmt.Fprintf(s, "    ... %d more\n", e.total-len(e.bytes))
	}
}
