package torture

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// limitCases: the message and fragment limits, exactly and one more. RFC 6455,
// 10.4. Rows F13, F14, F33.
func limitCases(o *Options) (all []Case) {
	add := func(build func() Case) { all = append(all, lazily(func() Case { return build().byItself() })) }
	if n := o.MaxMessage; n > 0 && n <= frameMax {
		for _, op := range []byte{opText, opBinary} {
			add(func() Case {
				return keeps("F33/"+opName(op)+"-limit", "10.4", fmt.Sprintf("a %s message of %d bytes, the limit", opName(op), n),
					[]part{dataFrame(op, filled(n))}, wantData(op, filled(n)))
			})
			add(func() Case {
				return rejects("F33/"+opName(op)+"-limit-and-1", "10.4", fmt.Sprintf("a %s message of %d bytes, one more than the limit", opName(op), n+1),
					1009, dataFrame(op, filled(n+1)))
			})
		}
		add(func() Case {
			return keeps("F33/fragments-limit", "10.4", fmt.Sprintf("%d bytes, the limit, in 16 fragments", n),
				fragmented(opBinary, filled(n), (n+15)/16), wantData(opBinary, filled(n)))
		})
		add(func() Case {
			return rejects("F33/fragments-limit-and-1", "10.4", fmt.Sprintf("%d bytes, the limit, in fragments, then one more", n), 1009,
				append(unfinished(fragmented(opBinary, filled(n), (n+15)/16)), cont("x"))...)
		})
		add(func() Case {
			return keeps("F33/limit-and-empty", "10.4", fmt.Sprintf("%d bytes, the limit, then an empty last fragment", n),
				append(unfinished(fragmented(opBinary, filled(n), n)), cont("")), wantData(opBinary, filled(n)))
		})
		add(func() Case {
			half := filled(n/2 + 1)
			return keeps("F33/limit-is-per-message", "10.4", "two messages that exceed the limit only together",
				[]part{dataFrame(opBinary, half), dataFrame(opBinary, half)}, wantData(opBinary, half), wantData(opBinary, half))
		})
	}
	if n := o.MaxFragments; n > 1 {
		all = append(all, fragmentLimitCases(n)...)
	}
	return all
}

// fragmentLimitCases: rows F13 and F14.
func fragmentLimitCases(n int) (all []Case) {
	add := func(build func() Case) { all = append(all, lazily(func() Case { return build().byItself() })) }
	empty := more(masked(cont(""), mask0))
	full := func() []part { return append([]part{more(text(""))}, repeated(empty, n-2)...) }
	add(func() Case {
		return keeps("F13/fragments-limit", "10.4", fmt.Sprintf("a text in %d empty fragments, the limit", n), append(full(), cont("")), wantText(""))
	})
	add(func() Case {
		return rejects("F13/fragments-limit-and-1", "10.4", fmt.Sprintf("a text in %d empty fragments, one more than the limit", n+1), 1008,
			append(full(), empty, cont(""))...)
	})
	add(func() Case {
		return keeps("F14/fragments-limit", "10.4", fmt.Sprintf("a text in %d fragments of one byte, the limit", n),
			fragmented(opText, filled(n), 1), wantData(opText, filled(n)))
	})
	add(func() Case {
		return rejects("F14/fragments-limit-and-1", "10.4", fmt.Sprintf("a text in %d fragments of one byte, one more than the limit", n+1), 1008,
			append(unfinished(fragmented(opText, filled(n), 1)), cont("x"))...)
	})
	return all
}

// unfinished takes FIN off the last fragment.
func unfinished(parts []part) []part {
	last := len(parts) - 1
	parts[last] = more(parts[last].(Frame))
	return parts
}

// byItself makes a case run after the others: it is heavy.
func (c Case) byItself() Case {
	c.alone, c.modes = true, Whole
	return c
}

// bulkCases: much data, whole, in fragments and in small writes, and many
// messages. A server with a lower limit leaves out those above it.
func bulkCases(o *Options) (all []Case) {
	const k, m = 1 << 10, 1 << 20
	fits := func(n int) bool { return o.MaxMessage < 0 || n <= o.MaxMessage }
	add := func(build func() Case) { all = append(all, lazily(func() Case { return build().only(Whole) })) }
	for _, op := range []byte{opText, opBinary} {
		name := opName(op)
		for _, n := range []int{64 * k, 256 * k, m, 4 * m, 8 * m, 16 * m} {
			if fits(n) {
				add(func() Case {
					return keeps(fmt.Sprintf("F31/%s-%dk", name, n/k), "5.2", fmt.Sprintf("a %s message of %d KiB", name, n/k),
						[]part{dataFrame(op, filled(n))}, wantData(op, filled(n)))
				})
			}
		}
		for _, size := range []int{64, 256, k, 4 * k, 16 * k, 64 * k, 256 * k, m, 4 * m} {
			if n := 4 * m; fits(n) && (o.MaxFragments < 0 || n/size <= o.MaxFragments) {
				add(func() Case {
					return keeps(fmt.Sprintf("F14/%s-4m-in-fragments-of-%d", name, size), "5.4",
						fmt.Sprintf("a %s message of 4 MiB in fragments of %d bytes", name, size), fragmented(op, filled(n), size), wantData(op, filled(n)))
				})
			}
		}
		for _, size := range []int{64, 128, 256, 512, k, 2 * k} {
			if n := m; fits(n) {
				add(func() Case {
					return keeps(fmt.Sprintf("F31/%s-1m-in-writes-of-%d", name, size), "5.2",
						fmt.Sprintf("a %s message of 1 MiB in writes of %d bytes", name, size), []part{dataFrame(op, filled(n))}, wantData(op, filled(n))).chopped(size)
				})
			}
		}
		for _, n := range []int{0, 16, 64, 256, k, 4 * k} {
			add(func() Case {
				return keeps(fmt.Sprintf("F30/%s-1000-of-%d", name, n), "5.6", fmt.Sprintf("1,000 %s messages of %d bytes", name, n),
					slices.Repeat([]part{dataFrame(op, filled(n))}, 1000), slices.Repeat([]expect{wantData(op, filled(n))}, 1000)...)
			})
		}
	}
	all = append(all, keeps("F14/text-64k-in-fragments-of-1300", "5.4", "a text message of 64 KiB in fragments of 1,300 bytes",
		fragmented(opText, filled(64*k), 1300), wantData(opText, filled(64*k))))
	for seed := range uint64(4) {
		add(func() Case { return randomCase(seed) })
	}
	return all
}

// randomCase is a megabyte with other keys, fragments and writes for every seed. Row F31.
func randomCase(seed uint64) Case {
	r := rand.New(rand.NewPCG(seed, 0x72006f73))
	p := noise(1 << 20)
	var parts []part
	for rest := p; len(rest) > 0; {
		n := min(1+r.IntN(1<<uint(4+r.IntN(14))), len(rest))
		f := Frame{Op: opCont, Payload: rest[:n], More: n < len(rest), Mask: [4]byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}}
		if len(parts) == 0 {
			f.Op = opBinary
		}
		parts, rest = append(parts, f), rest[n:]
	}
	return keeps(fmt.Sprintf("F31/random-%d", seed), "5.3, 5.4", fmt.Sprintf("a binary message of 1 MiB in %d fragments, each with another key", len(parts)),
		parts, wantData(opBinary, p)).chopped(1000 + r.IntN(9000))
}
