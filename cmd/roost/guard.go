package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// passwordMin is the length of the shortest admin password. Guesses are not
// rationed, so there have to be too many to make.
const passwordMin = 12

// passwordFlags is what the admin address asks for.
type passwordFlags struct {
	Password     string `help:"What everything but health asks for at the admin address, with any user name. The console needs it unless the address is loopback or a unix socket. Better set in the environment."`
	PasswordFile string `placeholder:"FILE" help:"A file with that password."`
}

// read returns the password, or none.
func (f passwordFlags) read() (string, error) {
	password := f.Password
	if f.PasswordFile != "" {
		if password != "" {
			return "", errors.New("ROOST_ADMIN_PASSWORD and ROOST_ADMIN_PASSWORD_FILE are both set: leave one out")
		}
		var err error
		if password, err = readSecret(f.PasswordFile); err != nil {
			return "", fmt.Errorf("ROOST_ADMIN_PASSWORD_FILE: %w", err)
		}
	}
	if password != "" && len(password) < passwordMin {
		return "", fmt.Errorf("the admin password has %d characters: take at least %d", len(password), passwordMin)
	}
	return password, nil
}

// guard decides who may see what is behind it.
type guard struct {
	password string // none: everybody who reaches the address
	loopback bool   // only this machine reaches the address
	file     bool   // only those reach it whom the permissions of a unix socket let in; no browser does
}

func newGuard(password string, addr net.Addr) guard {
	g := guard{password: password}
	switch addr := addr.(type) {
	case *net.TCPAddr:
		g.loopback = addr.IP.IsLoopback()
	case *net.UnixAddr:
		g.file = true
	}
	return g
}

// private reports whether strangers are kept out, so that what changes
// something may be behind g.
func (g guard) private() bool { return g.password != "" || g.loopback || g.file }

func (g guard) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case g.password != "" && !g.knows(r):
			w.Header().Set("WWW-Authenticate", `Basic realm="roost", charset="UTF-8"`)
			http.Error(w, "The admin password is needed, with any user name.", http.StatusUnauthorized)
		// A page of a site that points its name at 127.0.0.1 is of the same origin as
		// what it finds there, for browsers; but it has that name in Host. With a
		// password there is nothing to find, since browsers send it to no other name.
		case g.password == "" && g.loopback && !loopbackHost(r.Host):
			http.Error(w, "Ask for this by the name localhost or by a loopback address.", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// knows reports whether a request has the password. It takes the same time for
// every wrong one, of whatever length.
func (g guard) knows(r *http.Request) bool {
	_, password, ok := r.BasicAuth()
	got, want := sha256.Sum256([]byte(password)), sha256.Sum256([]byte(g.password))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1 && ok
}

// loopbackHost reports whether the Host of a request is this machine's own name
// for itself, which no name server can give to others.
func loopbackHost(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.IsLoopback()
}
