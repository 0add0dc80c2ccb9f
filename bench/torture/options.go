package torture

import (
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"regexp"
	"time"
)

// Options say which server is tested, with which cases, and what limits the
// server was started with. The zero value of every field but URL serves.
type Options struct {
	URL  string         // ws://host:port/path or wss://host:port/path
	Run  *regexp.Regexp // ids of the cases to run; nil runs all
	Skip *regexp.Regexp // ids of the cases not to run; nil skips none
	Pid  int            // of the server, on this machine: its descriptors, memory and CPU are watched too

	Admin string // of a server in Go: where its /metrics and /debug/pprof are, as http://host:port
	Log   string // the file that the server's log goes to

	Roots    *x509.CertPool // that vouch for the certificate of a wss server; nil: those of the system
	Insecure bool           // take any certificate

	Jobs       int           // connections in use at once, slow cases aside; 32
	Gap        time.Duration // between two pieces of something cut; 1 ms
	Timeout    time.Duration // for an answer; 5 s
	Delay      time.Duration // of an honest connection's echoes, p99, or five times what they take undisturbed; 50 ms
	Exhaustive bool          // all 65,536 status codes, not a sample
	Deflate    bool          // the server may accept permessage-deflate: if it does, its cases are played too

	// What the server is free to choose. Negative leaves the cases of a limit out.
	MaxMessage       int           // bytes of a message; 16 MiB
	MaxFragments     int           // of a message; 100,000
	MaxHeader        int           // bytes of a request head; 8 KiB
	MaxFields        int           // header fields of a request; 100
	MaxTarget        int           // bytes of a request target; 4 KiB
	HandshakeTimeout time.Duration // from accept to 101, absolute; 10 s
	CloseTimeout     time.Duration // from the Close frame to the end of the socket; 5 s
	TLSTimeout       time.Duration // from accept to the end of the TLS handshake, absolute; 5 s

	// What not every server has, or not so that somebody could wait for it. 0 leaves the cases out.
	PingInterval   time.Duration // a client's silence before it is sent a Ping
	SilenceTimeout time.Duration // the silence that ends its connection: that, and the wait for its Pong
	MessageTimeout time.Duration // from the first byte of a message to its last
	StallTimeout   time.Duration // how long a byte may wait for a client that reads too slowly
	Standstill     time.Duration // for how long to stop the process, which needs Pid; more than SilenceTimeout
	MaxConns       int           // connections at a time
	MaxPerAddress  int           // of one address
	Origin         string        // the only one whose pages may connect, such as https://app.example.com

	Push *Push // not nil: the server speaks the Pusher Channels protocol, and does not echo

	addr, host, name, path string
	secure                 bool // wss
	tally                  *tally
	dialect                dialect
}

// prepare fills in what was left out.
func (o *Options) prepare() error {
	u, err := url.Parse(o.URL)
	if err != nil {
		return fmt.Errorf("torture: %w", err)
	}
	if u.Scheme != "ws" && u.Scheme != "wss" || u.Hostname() == "" {
		return fmt.Errorf("torture: %q is not of the form ws://host:port/path or wss://host:port/path", o.URL)
	}
	o.secure = u.Scheme == "wss"
	port := u.Port()
	switch {
	case port == "" && o.secure:
		port = "443"
	case port == "":
		port = "80"
	}
	o.host, o.name, o.addr, o.path = u.Host, u.Hostname(), net.JoinHostPort(u.Hostname(), port), u.RequestURI()
	if o.tally == nil {
		o.tally = new(tally)
		o.tally.controls.Store(rand.Int64N(1e9)) // another run, at the same server, says other things
	}
	o.dialect = echo{}
	if o.Push != nil {
		if o.dialect, err = o.pusher(); err != nil {
			return err
		}
	}
	fallback(&o.Jobs, 32)
	fallback(&o.Gap, time.Millisecond)
	fallback(&o.Timeout, 5*time.Second)
	fallback(&o.Delay, 50*time.Millisecond)
	fallback(&o.MaxMessage, 16<<20)
	fallback(&o.MaxFragments, 100_000)
	fallback(&o.MaxHeader, 8<<10)
	fallback(&o.MaxFields, 100)
	fallback(&o.MaxTarget, 4<<10)
	fallback(&o.HandshakeTimeout, 10*time.Second)
	fallback(&o.CloseTimeout, 5*time.Second)
	fallback(&o.TLSTimeout, 5*time.Second)
	if o.SilenceTimeout > 0 && (o.PingInterval <= 0 || o.PingInterval >= o.SilenceTimeout) {
		return errors.New("torture: SilenceTimeout needs a PingInterval, which is a part of it")
	}
	if o.Jobs < 1 || o.Gap < 0 || o.Timeout < 0 || o.Delay < 0 {
		return errors.New("torture: Jobs, Gap, Timeout and Delay cannot be negative")
	}
	return nil
}

func fallback[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}
