//go:build dragonfly || netbsd || openbsd

package sys

import "time"

// SetAckTimeout does nothing: these systems have no such option.
func (kernel) SetAckTimeout(int, time.Duration) {}
