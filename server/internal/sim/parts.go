package sim

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
)

// Parts are the pieces that a run is made of: clients, their deeds, faults. A
// run asks for each with World.Part, so that one that fails can be run again
// without those that have nothing to do with it.
type Parts struct {
	only  map[string]bool // nil: all
	asked []string        // in order, each once
	known map[string]bool
}

func newParts(only []string) *Parts {
	p := &Parts{known: make(map[string]bool)}
	if only != nil {
		p.only = make(map[string]bool, len(only))
		for _, name := range only {
			p.only[name] = true
		}
	}
	return p
}

// Part reports whether a part of the run takes part. Its name must have no comma.
func (w *World) Part(format string, args ...any) bool {
	p := w.cfg.Parts
	if p == nil {
		return true
	}
	name := fmt.Sprintf(format, args...)
	if p.only != nil && !p.only[name] {
		return false
	}
	if !p.known[name] {
		p.known[name] = true
		p.asked = append(p.asked, name)
	}
	return true
}

// RandOf is a source of chance for one thing alone: what it yields depends on
// the seed and the name, and on nothing else that happens in the run.
func (w *World) RandOf(name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(w.cfg.Seed, h.Sum64()))
}

// PartFaults switches each kind of fault off that does not take part.
func (w *World) PartFaults(f *Faults) {
	v := reflect.ValueOf(f).Elem()
	for i := range v.NumField() {
		if field := v.Field(i); !field.IsZero() && !w.Part("fault %s", v.Type().Field(i).Name) {
			field.SetZero()
		}
	}
}

// How hard Shrink tries: runs in all, and schedules for each attempt, because
// with a part less the others meet in another order.
const (
	shrinkRuns      = 3000
	shrinkSchedules = 4
)

// shrinker makes a failing run smaller.
type shrinker struct {
	run  func(Config) error
	seed uint64
	left int // runs
	kept []string
	at   uint64 // schedule
	err  *Failure
}

// Shrink looks for a smaller run that fails in the same way as the seed does,
// and returns its failure, which says how to replay it. It drops parts in ever
// smaller groups, as "Simplifying and isolating failure-inducing input" (Zeller
// and Hildebrandt, 2002) does. It returns nil when the seed does not fail.
func Shrink(seed uint64, run func(Config) error) *Failure {
	s := &shrinker{run: run, seed: seed, left: shrinkRuns}
	if s.attempt(nil, 0) == nil {
		return nil
	}
	for size := len(s.kept) / 2; size > 0 && s.left > 0; {
		if dropped := s.pass(size); size > 1 {
			size /= 2
		} else if !dropped {
			break
		}
	}
	return s.err
}

// pass tries to drop each group of so many parts.
func (s *shrinker) pass(size int) (dropped bool) {
	for from := 0; from < len(s.kept) && s.left > 0; {
		without := slices.Delete(slices.Clone(s.kept), from, min(from+size, len(s.kept)))
		if s.try(without) {
			dropped = true
		} else {
			from += size
		}
	}
	return dropped
}

func (s *shrinker) try(parts []string) bool {
	for i := range uint64(shrinkSchedules) {
		if s.attempt(parts, s.at+i) != nil {
			return true
		}
	}
	return false
}

// attempt runs with these parts only, nil for all, and keeps what fails alike.
func (s *shrinker) attempt(only []string, schedule uint64) *Failure {
	s.left--
	cfg := Config{Seed: s.seed, Schedule: schedule, Parts: newParts(only)}
	f, ok := s.run(cfg).(*Failure)
	if !ok || s.err != nil && !alike(f, s.err) {
		return nil
	}
	s.kept, s.at, s.err = cfg.Parts.asked, schedule, f
	return f
}

// alike reports whether two failures are of the same kind and say the same, but
// for figures.
func alike(a, b *Failure) bool {
	text := func(f *Failure) string {
		first, _, _ := strings.Cut(f.Reason, "\n")
		return strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return -1
			}
			return r
		}, first)
	}
	return a.Kind == b.Kind && text(a) == text(b)
}

// replay is the environment that runs a failure again.
func replay(cfg Config) string {
	if len(cfg.Choices) > 0 {
		return "its fuzzing input"
	}
	text := fmt.Sprintf("ROOST_SIM_SEED=%d", cfg.Seed)
	if cfg.Schedule != 0 {
		text += fmt.Sprintf(" ROOST_SIM_SCHEDULE=%d", cfg.Schedule)
	}
	if cfg.Parts != nil && cfg.Parts.only != nil {
		text += fmt.Sprintf(" ROOST_SIM_ONLY=%q", strings.Join(cfg.Parts.asked, ","))
	}
	return text
}
