package console

import (
	"testing"

	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

// The tests leave no goroutine behind.
func TestMain(m *testing.M) { pushtest.Main(m) }
