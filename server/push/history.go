package push

import (
	"fmt"
	"strings"
	"time"
)

// HistoryRule says of which channels the last events are kept, so that clients
// that were away can catch up. Of several rules that match a channel the first holds.
type HistoryRule struct {
	// Pattern is a channel's name, in which each * stands for any characters or none.
	Pattern string
	// Size is how many events a channel keeps. Default 100, at most MaxHistorySize.
	Size int
	// TTL is how long it keeps them, with subscribers or without. Default 5 min, at
	// most MaxHistoryTTL.
	TTL time.Duration
	// ClientEvents keeps the events of clients, too. They count in Size like others.
	ClientEvents bool
	// Rewind is what those get who subscribe and do not say where they were.
	Rewind Rewind
}

// Rewind is the last events that a new subscriber gets who has never heard of
// ids, as stock clients have not. One that comes back may get them twice.
type Rewind struct {
	Count int           // at most so many; 0: none
	Age   time.Duration // and none that is older; 0: all that are kept
}

// Defaults and maxima of HistoryRule.
const (
	DefaultHistorySize = 100
	DefaultHistoryTTL  = 5 * time.Minute
	MaxHistorySize     = 10_000
	MaxHistoryTTL      = 24 * time.Hour
	MaxHistoryRules    = 100 // of one app
)

// check reports what is wrong with r, in words for whoever wrote its configuration.
func (r *HistoryRule) check() error {
	switch {
	case r.Pattern == "" || len(r.Pattern) > MaxChannelName:
		return fmt.Errorf("history: a pattern has 1 to %d characters", MaxChannelName)
	case !validChannelName(strings.Map(unstarred, r.Pattern)):
		return fmt.Errorf("history %q: a pattern consists of what channels' names consist of, and *", r.Pattern)
	case r.Size < 0 || r.Size > MaxHistorySize:
		return fmt.Errorf("history %q: a channel keeps 1 to %d events, not %d", r.Pattern, MaxHistorySize, r.Size)
	case r.TTL < 0 || r.TTL > MaxHistoryTTL:
		return fmt.Errorf("history %q: a channel keeps events for at most %v, not %v", r.Pattern, MaxHistoryTTL, r.TTL)
	case r.Rewind.Count < 0 || r.Rewind.Age < 0:
		return fmt.Errorf("history %q: the rewind is negative", r.Pattern)
	case r.Rewind.Count == 0 && r.Rewind.Age > 0:
		return fmt.Errorf("history %q: a rewind needs a count", r.Pattern)
	}
	return nil
}

// unstarred lets the names of users' own channels, and what stands for the rest
// of a name, pass for letters.
func unstarred(c rune) rune {
	if c == '*' || c == '#' {
		return 'x'
	}
	return c
}

// withDefaults returns r with what was left out filled in.
func (r HistoryRule) withDefaults() HistoryRule {
	if r.Size == 0 {
		r.Size = DefaultHistorySize
	}
	if r.TTL == 0 {
		r.TTL = DefaultHistoryTTL
	}
	if r.Rewind.Age == 0 {
		r.Rewind.Age = r.TTL
	}
	return r
}

// historyRule returns the rule for the named channel; nil when it keeps nothing.
func (a *App) historyRule(channel string) *HistoryRule {
	for i := range a.History {
		if matchPattern(a.History[i].Pattern, channel) {
			return &a.History[i]
		}
	}
	return nil
}

// matchPattern compares name with a pattern, in which each * stands for any
// characters or none. What stands between two of them is taken where it comes first:
// if that leads nowhere, no later place does.
func matchPattern(pattern, name string) bool {
	head, rest, starred := strings.Cut(pattern, "*")
	if !starred {
		return pattern == name
	}
	name, ok := strings.CutPrefix(name, head)
	for ok {
		if head, rest, starred = strings.Cut(rest, "*"); !starred {
			return strings.HasSuffix(name, head)
		}
		_, name, ok = strings.Cut(name, head)
	}
	return false
}
