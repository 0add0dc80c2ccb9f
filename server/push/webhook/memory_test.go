package webhook

import "testing"

// G6: every limit on what a Sender holds is in what it says it may take.
func TestMemoryKnowsTheLimits(t *testing.T) {
	base := Config{}.Memory(1)
	if base < 104<<20 || base > 120<<20 {
		t.Errorf("by default %d bytes", base)
	}
	if none := (Config{}).Memory(0); none != 0 {
		t.Errorf("%d bytes without an endpoint", none)
	}
	for name, change := range map[string]func(*Limits){
		"inbox":   func(l *Limits) { l.InboxBytes = 1 << 30 },
		"held":    func(l *Limits) { l.HeldBytes = 1 << 30 },
		"pending": func(l *Limits) { l.PendingBytes = 1 << 30 },
		"dead":    func(l *Limits) { l.DeadBytes = 1 << 30 },
		"flight":  func(l *Limits) { l.InFlight = 1 << 16 },
		"notice":  func(l *Limits) { l.NoticeBytes = 1 << 28 },
		"batch":   func(l *Limits) { l.BatchBytes = 1 << 28 },
	} {
		var c Config
		change(&c.Limits)
		if got := c.Memory(1); got < base+800<<20 {
			t.Errorf("with a larger %s it is %d, and was %d", name, got, base)
		}
	}
	if two := (Config{}).Memory(2); two <= base {
		t.Error("a second endpoint takes nothing")
	}
}
