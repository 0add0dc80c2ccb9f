package load

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Kind says in which way a server failed a request.
type Kind string

// The kinds of failure. One is enough to keep a server out of a comparison.
const (
	Refused   Kind = "refused"   // a connection or its opening handshake did not succeed
	Closed    Kind = "closed"    // the server ended a connection
	Protocol  Kind = "protocol"  // a frame no server may send
	Opcode    Kind = "opcode"    // the reply has another opcode than the message
	Length    Kind = "length"    // the reply has another length than the message
	Corrupt   Kind = "corrupt"   // the reply has other bytes than the message
	Stranger  Kind = "stranger"  // the reply belongs to another connection or was never asked for
	Duplicate Kind = "duplicate" // the reply came twice
	Reordered Kind = "reordered" // the reply overtook an older one
	Lost      Kind = "lost"      // the reply never came
)

const examplesMax = 5

// Failures counts what went wrong, and keeps the first few in words.
type Failures struct {
	Count    map[Kind]uint64 `json:"count,omitempty"`
	Examples []string        `json:"examples,omitempty"`
}

// Add counts n failures of a kind.
func (f *Failures) Add(k Kind, n uint64, format string, args ...any) {
	if n == 0 {
		return
	}
	if f.Count == nil {
		f.Count = map[Kind]uint64{}
	}
	f.Count[k] += n
	if len(f.Examples) < examplesMax {
		f.Examples = append(f.Examples, string(k)+": "+fmt.Sprintf(format, args...))
	}
}

// Merge adds the failures of other.
func (f *Failures) Merge(other Failures) {
	for k, n := range other.Count {
		if f.Count == nil {
			f.Count = map[Kind]uint64{}
		}
		f.Count[k] += n
	}
	for _, e := range other.Examples {
		if len(f.Examples) < examplesMax {
			f.Examples = append(f.Examples, e)
		}
	}
}

// Total is the number of failures of any kind.
func (f Failures) Total() uint64 {
	var n uint64
	for _, c := range f.Count {
		n += c
	}
	return n
}

// String is one sentence: what failed, how often, and the first example.
func (f Failures) String() string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(f.Count)) {
		parts = append(parts, fmt.Sprintf("%d %s", f.Count[k], k))
	}
	s := strings.Join(parts, ", ")
	if len(f.Examples) > 0 {
		s += " (" + f.Examples[0] + ")"
	}
	return s
}
