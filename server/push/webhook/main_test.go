package webhook

import (
	"os"
	"testing"
)

// childEnv makes the test binary a server that is going to be killed.
const childEnv = "ROOST_TEST_WEBHOOK_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		child(path)
	}
	os.Exit(m.Run())
}
