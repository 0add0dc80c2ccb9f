package server

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/roost-ws/roost/server/internal/sys"
)

// A panic in the server's own code, which is how a broken invariant ends, ends
// the program: a pool that swallowed it would go on without one of the loops.
func TestBrokenInvariantEndsProgram(t *testing.T) {
	for _, mode := range []string{"workers", "inline"} {
		out, err := part(t, "invariant", mode).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "panic: a descriptor that is not ours") {
			t.Errorf("%s: the program ended with %v and wrote:\n%s", mode, err, out)
		}
	}
}

type brokenKernel struct{ sys.Kernel }

func (brokenKernel) Read(int, []byte) (int, error) { panic("a descriptor that is not ours") }

func breakInvariant(mode string) error {
	s, err := New(Handler{}, Config{Inline: mode == "inline", kernel: brokenKernel{sys.Real()}})
	if err != nil {
		return err
	}
	addr, err := s.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		return err
	}
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte("GET")); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 1))
	return errors.Join(errors.New("the program goes on"), err)
}
