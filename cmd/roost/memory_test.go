package main

import (
	"net"
	"slices"
	"testing"

	"github.com/roost-ws/roost/server"
)

// Garbage is given back once after a storm, not in it and not again.
func TestRest(t *testing.T) {
	type second struct{ came, went uint64 }
	for _, row := range []struct {
		name    string
		seconds []second
		at      []int // when it collects
	}{
		{"nobody", []second{{}, {}, {}}, nil},
		{"a few", []second{{came: restAfter - 1}, {}, {}}, nil},
		{"a storm", []second{{came: 20_000}, {came: 20_000}, {came: 5000}, {}, {}, {}}, []int{3}},
		{"it ebbs away", []second{{came: 20_000}, {came: 203}, {came: 203}, {came: 203}, {}}, []int{2}},
		{"it goes as it came", []second{{came: 20_000}, {}, {went: 20_000}, {}, {}}, []int{1, 3}},
		{"much traffic beside", []second{{came: 20_000}, {201, 201}, {201, 201}, {201, 201}}, nil},
		{"little traffic beside", append([]second{{came: 100_000}}, slices.Repeat([]second{{500, 500}}, 25)...), []int{1, 11, 21}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var at []int
			var now server.Stats
			second := 0
			r := rest{collect: func() { at = append(at, second) }}
			for i, s := range row.seconds {
				second = i
				now.Accepted += s.came
				now.Closed += s.went
				now.Conns += int64(s.came) - int64(s.went)
				if n := len(at); r.look(now) != (len(at) > n) {
					t.Errorf("second %d: says that it did what it did not", i)
				}
			}
			if !slices.Equal(at, row.at) {
				t.Errorf("collected in the seconds %v, want %v", at, row.at)
			}
		})
	}
}

// The program looks.
func TestMemoryIsGivenBack(t *testing.T) {
	t.Parallel()
	// GOGC would say when to collect.
	p := start(t, []string{"GOGC="}, "echo", "--listen", "127.0.0.1:0", "--drain", "1s", "--log-level", "debug")
	for range restAfter / 2 { // each comes and goes
		c, err := net.DialTimeout("tcp", p.addr, patience)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	p.log.await(t, "word of it", func(r record) bool { return r["msg"] == "memory given back" })
}
