package sys

import (
	"math"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel is told every time as it is, also the shortest and the longest; and a
// socket that has no such option stays usable.
func TestSetAckTimeout(t *testing.T) {
	k := Real()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close(fd)
	for d, want := range map[time.Duration]int{
		30 * time.Second: 30_000, time.Microsecond: 1, 365 * 24 * time.Hour: math.MaxInt32,
	} {
		k.SetAckTimeout(fd, d)
		if got, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT); got != want || err != nil {
			t.Errorf("%v became %d ms, %v, want %d", d, got, err, want)
		}
	}
	a, b := socketpair(t)
	k.SetAckTimeout(a, time.Second)
	if n, err := k.Write(a, []byte("x")); n != 1 || err != nil {
		t.Errorf("a unix socket then takes %d, %v", n, err)
	}
	if n, err := k.Read(b, make([]byte, 8)); n != 1 || err != nil {
		t.Errorf("and gives %d, %v", n, err)
	}
}
