package sys

import (
	"time"

	"github.com/roost-ws/roost/poller"
)

// Real is the operating system. Where package poller has no backend its
// NewPoller, Accept and so on return poller.ErrUnsupported.
func Real() Kernel { return kernel{} }

// kernel is the operating system; the calls on sockets are in a file per
// system.
type kernel struct{}

// start is what Now counts from; time.Since reads only the monotonic clock.
var start = time.Now()

func (kernel) Now() time.Duration { return time.Since(start) }

func (kernel) Sleep(d time.Duration) { time.Sleep(d) }

func (kernel) NewPoller() (Poller, error) {
	p, err := poller.Open()
	if err != nil {
		return nil, err // not p: a nil *poller.Poller in an interface is not nil
	}
	return p, nil
}
