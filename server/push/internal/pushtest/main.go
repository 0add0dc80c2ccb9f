package pushtest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Main runs the tests of a package, which fail when they leave a goroutine.
func Main(m *testing.M) {
	before := goleak.IgnoreCurrent()
	code := m.Run()
	if code == 0 {
		err := goleak.Find(before)
		for end := time.Now().Add(patience); err != nil && time.Now().Before(end); {
			err = goleak.Find(before)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "the tests pass and leave something behind:", err)
			code = 1
		}
	}
	os.Exit(code)
}
