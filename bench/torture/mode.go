package torture

import "slices"

// Mode is how the bytes of a case are cut on their way. The outcome must not
// depend on it (rows F29, H16).
type Mode uint8

const (
	Whole  Mode = 1 << iota // one write, with the good message before and the one after
	Bytes                   // a write for every byte
	Splits                  // two writes, once for every offset

	everyMode = Whole | Bytes | Splits
)

func (m Mode) String() string {
	switch m {
	case Whole:
		return "whole"
	case Bytes:
		return "bytes"
	case Splits:
		return "splits"
	}
	return "every mode"
}

func (m Mode) each() (modes []Mode) {
	for _, one := range []Mode{Whole, Bytes, Splits} {
		if m&one != 0 {
			modes = append(modes, one)
		}
	}
	return modes
}

const (
	splitsMax  = 96  // offsets tried of one wire
	trickleMax = 600 // bytes sent one by one, of a longer wire those around its marks
)

// offsets are where w is cut: everywhere when it is short, otherwise around its
// marks and at even distances.
func (w Wire) offsets(limit int) []int {
	n := len(w.Bytes)
	if n <= limit+1 {
		return span(1, n)
	}
	var at []int
	for _, m := range w.Marks {
		at = append(at, m-1, m, m+1)
	}
	at = append(at, 1, 2, 3, n-2, n-1)
	slices.Sort(at)
	at = slices.Compact(at)
	at = slices.DeleteFunc(at, func(i int) bool { return i < 1 || i >= n })
	if len(at) > limit {
		at = thin(at, limit*3/4)
	}
	for room := limit - len(at); room > 0; room-- {
		at = append(at, room*n/(limit+1))
	}
	slices.Sort(at)
	at = slices.Compact(at)
	return slices.DeleteFunc(at, func(i int) bool { return i < 1 || i >= n })
}

// pieces are the writes of mode Bytes: single bytes, and for a wire that is too
// long for that, single bytes around its marks and whole stretches between them.
func (w Wire) pieces() [][]byte {
	cuts := span(1, len(w.Bytes))
	if len(w.Bytes) > trickleMax {
		cuts = w.offsets(trickleMax / 2)
	}
	var out [][]byte
	from := 0
	for _, at := range append(cuts, len(w.Bytes)) {
		if at > from {
			out = append(out, w.Bytes[from:at])
			from = at
		}
	}
	return out
}

func span(from, to int) []int {
	var all []int
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

// thin keeps n of the values, evenly chosen.
func thin(all []int, n int) []int {
	out := make([]int, 0, n)
	for i := range n {
		out = append(out, all[i*len(all)/n])
	}
	return out
}
