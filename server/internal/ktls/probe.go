package ktls

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
)

// Offers reports whether the kernel takes keys of a cipher suite for both
// directions. It is tried once, on a connection over loopback.
func Offers(suiteID uint16) bool { return offered()[suiteID] }

// Available returns nil when the kernel offers TLS for some cipher suite, and
// otherwise why not.
func Available() error {
	if len(offered()) > 0 {
		return nil
	}
	_, err := try(tls.TLS_AES_128_GCM_SHA256)
	return err
}

var offered = sync.OnceValue(func() map[uint16]bool {
	ids := map[uint16]bool{}
	for id := range suites {
		if ok, _ := try(id); ok {
			ids[id] = true
		}
	}
	return ids
})

// try gives the kernel keys of no value.
func try(suiteID uint16) (ok bool, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return false, err
	}
	defer ln.Close()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		return false, err
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return false, err
	}
	k, err := NewKey(suiteID, make([]byte, suites[suiteID].hash().Size()))
	if err != nil {
		return false, err
	}
	closed := raw.Control(func(fd uintptr) {
		if err = Attach(int(fd)); err != nil {
			return
		}
		err = errors.Join(SetKey(int(fd), Transmit, k, 0), SetKey(int(fd), Receive, k, 0))
	})
	err = errors.Join(closed, err)
	return err == nil, err
}
