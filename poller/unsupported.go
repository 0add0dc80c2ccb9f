//go:build !linux

package poller

func openBackend() (backend, error) {
	return nil, ErrUnsupported
}
