//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package poller

import "testing"

type thread struct{}

func (thread) waiter() {}

// There is no portable way to signal one thread.
func (thread) interrupt(t *testing.T) { t.Skip("cannot interrupt a wait here") }
