package server

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// DESIGN, invariant 6: every limit and deadline has a name, a finite default, a
// value that it cannot be above, and a counter where something is refused.
func TestBounds(t *testing.T) {
	bounds := map[string]Bound{}
	for _, b := range Bounds(Config{}) {
		if bounds[b.Name].Name != "" || b.Unit == "" || b.What == "" || b.Max <= 0 || b.Default > b.Max {
			t.Errorf("%+v does not say enough, or is there twice", b)
		}
		if b.Counter != "" {
			if _, ok := reflect.TypeFor[Stats]().FieldByName(b.Counter); !ok {
				t.Errorf("%s: Stats has no %s", b.Name, b.Counter)
			}
		}
		bounds[b.Name] = b
	}
	for of, typ := range map[string]reflect.Type{"Limits.": reflect.TypeFor[Limits](), "Timeouts.": reflect.TypeFor[Timeouts]()} {
		for i := range typ.NumField() {
			name := of + typ.Field(i).Name
			if bounds[name].Name == "" {
				t.Errorf("%s is in no bound", name)
			}
			if bounds[name].Default == 0 && name != "Limits.Conns" {
				t.Errorf("%s has no finite default", name)
			}
		}
	}
	cfg, err := Config{Limits: Limits{Message: 77}}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range Bounds(cfg) {
		want := bounds[b.Name].Default
		if b.Name == "Limits.Message" {
			want = 77
		}
		if b.Value != want && (want != 0 || b.Value == 0) {
			t.Errorf("%s is %d and not %d", b.Name, b.Value, want)
		}
	}
}

// What is above its bound is refused by New, with the name and the bound; the
// bound itself is taken, and so is what may be off.
func TestBoundsAreKept(t *testing.T) {
	for _, b := range Bounds(Config{}) {
		for _, v := range []struct {
			value int64
			wrong bool
		}{{b.Max, false}, {b.Max + 1, true}, {-1, !b.MayBeOff}} {
			cfg := Config{}
			set(&cfg, b.Name, v.value)
			cfg, err := cfg.withDefaults()
			if wrong := err != nil && strings.Contains(err.Error(), "Config."+b.Name+" "); wrong != v.wrong {
				t.Errorf("%s of %d: %v", b.Name, v.value, err)
			}
			if v.wrong && v.value > 0 && !strings.Contains(err.Error(), "may be") {
				t.Errorf("%v names no bound (%d)", err, cfg.Limits.Conns)
			}
		}
	}
}

// set sets a field by its name.
func set(cfg *Config, name string, v int64) {
	field := reflect.ValueOf(cfg).Elem()
	for part := range strings.SplitSeq(name, ".") {
		field = field.FieldByName(part)
	}
	if !field.IsValid() {
		panic(fmt.Sprintf("Config has no %s", name))
	}
	field.SetInt(v)
}

// A deadline of a year does not wrap around: the connection lives.
func TestLongestDeadlines(t *testing.T) {
	watch(t)
	cfg := Config{Inline: true, PingInterval: forever, PongTimeout: forever, IdleTimeout: forever}
	for _, b := range Bounds(cfg) {
		if strings.HasPrefix(b.Name, "Timeouts.") {
			set(&cfg, b.Name, int64(forever))
		}
	}
	st := start(t, Handler{OnMessage: echo}, cfg)
	c := st.open()
	time.Sleep(300 * time.Millisecond)
	c.echo("still here")
	c.goodbye()
}
