package push

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// Whatever comes and goes in whatever order, the set is what a map would be; it
// keeps room for others, and gives it back.
func TestChannelSetAgainstMap(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var set channelSet
		model := map[string]*channel{}
		most := 1 + rnd.IntN(300)
		for range 2000 {
			name := fmt.Sprint("c", rnd.IntN(most))
			if got := set.get(name); got != model[name] {
				t.Fatalf("seed %d: get %s is %v, want %v", seed, name, got, model[name])
			}
			if ch := model[name]; ch != nil {
				set.remove(ch)
				delete(model, name)
			} else {
				model[name] = &channel{name: name}
				set.put(model[name])
			}
			if set.n != len(model) || 4*set.n > 3*len(set.slots) || len(set.slots) > max(channelSetMin, 8*set.n) {
				t.Fatalf("seed %d: %d channels in %d slots, want %d", seed, set.n, len(set.slots), len(model))
			}
		}
		var names []string
		for ch := range set.all() {
			names = append(names, ch.name)
		}
		slices.Sort(names)
		if want := slices.Sorted(maps.Keys(model)); !slices.Equal(names, want) {
			t.Fatalf("seed %d: %v, want %v", seed, names, want)
		}
		for _, ch := range model {
			set.remove(ch)
		}
		if set.slots != nil || set.get("c0") != nil {
			t.Fatalf("seed %d: an empty set keeps %d slots", seed, len(set.slots))
		}
	}
}
