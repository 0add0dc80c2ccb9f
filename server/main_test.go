package server

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// partEnv says which part the test binary plays when a test starts it anew;
// partArgEnv is an argument to that.
const (
	partEnv    = "ROOST_TEST_PART"
	partArgEnv = "ROOST_TEST_PART_ARG"
)

var parts = map[string]func(arg string) error{
	"crowd":     crowd,
	"invariant": breakInvariant,
}

func TestMain(m *testing.M) {
	name := os.Getenv(partEnv)
	if name == "" {
		os.Exit(m.Run())
	}
	if err := parts[name](os.Getenv(partArgEnv)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// part is the test binary in one of its parts.
func part(t testing.TB, name, arg string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), partEnv+"="+name, partArgEnv+"="+arg, tlsEnv+"=", kernelTLSEnv+"=")
	return cmd
}

// patience is how long a test waits for what must happen. Nothing that passes takes so long.
const patience = 20 * time.Second

// eventually waits until what holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not so after %v: %s", patience, what)
		}
	}
}

// watched is set while a test is watched for leaks; start insists on it.
var watched atomic.Bool

// watch checks at the end of a test that it left no goroutine and no descriptor.
func watch(t testing.TB) {
	t.Helper()
	if !watched.CompareAndSwap(false, true) {
		t.Fatal("another test is running, and would be counted")
	}
	goroutines, before := goleak.IgnoreCurrent(), descriptors()
	t.Cleanup(func() {
		defer watched.Store(false)
		var err error
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
			now := descriptors()
			if !maps.Equal(now, before) {
				err = fmt.Errorf("descriptors by kind: %v, before the test %v", now, before)
				continue
			}
			if err = goleak.Find(goroutines); err == nil {
				return
			}
		}
		t.Errorf("something was left: %v", err)
	})
}

// modes runs a test with handlers that may block and with handlers on the loop.
func modes(t *testing.T, test func(t *testing.T, inline bool)) {
	t.Helper()
	watch(t)
	for _, inline := range []bool{false, true} {
		t.Run(map[bool]string{false: "workers", true: "inline"}[inline], func(t *testing.T) {
			t.Parallel()
			test(t, inline)
		})
	}
}

var inode = regexp.MustCompile(`\[\d+\]|\d+`)

// descriptors counts the open descriptors by what they are. Where there is no
// /proc it counts nothing, and only goroutines are watched.
func descriptors() map[string]int {
	counts := make(map[string]int)
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil {
			counts[inode.ReplaceAllString(to, "")]++
		}
	}
	return counts
}
