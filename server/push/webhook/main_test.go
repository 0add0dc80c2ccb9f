package webhook

import (
	"os"
	"testing"

	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

// childEnv makes the test binary a server that is going to be killed.
const childEnv = "ROOST_TEST_WEBHOOK_CHILD"

// The tests leave no goroutine behind.
func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		child(path)
	}
	pushtest.Main(m)
}
