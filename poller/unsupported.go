//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package poller

func openBackend() (backend, error) {
	return nil, ErrUnsupported
}
