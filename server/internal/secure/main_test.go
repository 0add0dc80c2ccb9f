package secure

import (
	"testing"

	"go.uber.org/goleak"
)

// No goroutine is left when all tests are over, but those that began before them.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }
