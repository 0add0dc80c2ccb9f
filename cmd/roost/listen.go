package main

import (
	"errors"
	"io/fs"
	"net"
	"syscall"
)

// listenError says why addr, given with flag, cannot be listened on, and what
// to do about it.
func listenError(flag string, addr address, err error) error {
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return exitf(exitListen, "%s %s is in use by another program: stop it, or choose another address with %s", flag, addr, flag)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return exitf(exitListen, "%s %s: this machine has no such address: choose one it has, or leave the host out to listen on all of them", flag, addr)
	case errors.Is(err, fs.ErrPermission):
		return exitf(exitListen, "%s %s is not permitted: choose a port above 1023 (or a folder you may write to), or grant CAP_NET_BIND_SERVICE", flag, addr)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return exitf(exitDescriptors, "%s %s: no descriptor is left to listen with: raise the limit (ulimit -n 65536)", flag, addr)
	case errors.As(err, &dns):
		return exitf(exitListen, "%s %s: no address is known for host %q: write an IP address, or leave the host out", flag, addr, dns.Name)
	}
	return exitf(exitListen, "%s %s cannot be listened on: %v", flag, addr, err)
}
