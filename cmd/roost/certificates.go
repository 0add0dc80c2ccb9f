package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// certificateWatch is how often the files of certificates are looked at.
const certificateWatch = 500 * time.Millisecond

// fileList is the names of files, as FILE,FILE.
type fileList []string

func (l *fileList) UnmarshalText(text []byte) error {
	*l = nil
	for name := range strings.SplitSeq(string(text), ",") {
		if name = strings.TrimSpace(name); name == "" {
			return fmt.Errorf("%q names no file between two commas: write a.pem,b.pem", text)
		}
		*l = append(*l, name)
	}
	return nil
}

func (l fileList) String() string { return strings.Join(l, ",") }

// kernelTLS is auto or off.
type kernelTLS string

func (k *kernelTLS) UnmarshalText(text []byte) error {
	if *k = kernelTLS(text); *k != "auto" && *k != "off" {
		return fmt.Errorf("%q is neither auto nor off", text)
	}
	return nil
}

func (k kernelTLS) on() bool { return k == "auto" }

// tlsFlags say where the certificates are.
type tlsFlags struct {
	Cert fileList `placeholder:"FILE" help:"Serve https and wss with the certificates in this PEM file, the leaf first; FILE,FILE for several names, of which a client gets the one it asks for, or else the first. They are read again when they change, and on SIGHUP."`
	Key  fileList `placeholder:"FILE" help:"The private key of each --tls-cert, in the same order."`
}

// certificates reads what the flags name, or returns nil when they name nothing.
func (f tlsFlags) certificates(log *slog.Logger) (*certificates, error) {
	if len(f.Cert) == 0 && len(f.Key) == 0 {
		return nil, nil
	}
	if len(f.Cert) != len(f.Key) {
		return nil, fmt.Errorf("--tls-cert names %d files and --tls-key %d: each certificate needs its key, in the same order", len(f.Cert), len(f.Key))
	}
	c := &certificates{tlsFlags: f, log: log}
	c.seen = c.stamp()
	return c, c.load()
}

// certificates are those that are served now. New handshakes see a change at
// once, and connections that are there keep what they have agreed on.
type certificates struct {
	tlsFlags
	log  *slog.Logger
	now  atomic.Pointer[[]tls.Certificate]
	seen []string // the state of the files when they were last read
}

// config is how to serve with them; nil without any.
func (c *certificates) config() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{GetCertificate: c.pick}
}

// pick finds the certificate for a client: the first that suits it, or the first.
func (c *certificates) pick(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	all := *c.now.Load()
	for i := range all {
		if len(all) == 1 || hello.SupportsCertificate(&all[i]) == nil {
			return &all[i], nil
		}
	}
	return &all[0], nil
}

// load reads all files. Unless all are right nothing changes.
func (c *certificates) load() error {
	all := make([]tls.Certificate, len(c.Cert))
	var errs []error
	for i := range c.Cert {
		var err error
		if all[i], err = tls.LoadX509KeyPair(c.Cert[i], c.Key[i]); err != nil {
			errs = append(errs, fmt.Errorf("certificate %s with key %s: %w", c.Cert[i], c.Key[i], err))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	c.now.Store(&all)
	return nil
}

// reload is load for a program that is running.
func (c *certificates) reload() {
	c.seen = c.stamp()
	if err := c.load(); err != nil {
		c.log.Error("the certificates were not reloaded, those from before are served on", "err", err)
		return
	}
	c.log.LogAttrs(context.Background(), slog.LevelInfo, "certificates reloaded", c.attr())
}

// changed reports whether a file is another than when it was last read.
func (c *certificates) changed() bool { return !slices.Equal(c.seen, c.stamp()) }

// stamp describes the present state of all files.
func (c *certificates) stamp() []string {
	var state []string
	for _, name := range slices.Concat(c.Cert, c.Key) {
		info, err := os.Stat(name)
		if err != nil {
			state = append(state, err.Error())
			continue
		}
		state = append(state, fmt.Sprint(info.ModTime().UnixNano(), info.Size()))
	}
	return state
}

// attr tells which names are served, and until when.
func (c *certificates) attr() slog.Attr {
	var each []string
	for _, cert := range *c.now.Load() {
		names := slices.Clone(cert.Leaf.DNSNames)
		for _, ip := range cert.Leaf.IPAddresses {
			names = append(names, ip.String())
		}
		each = append(each, fmt.Sprintf("%s until %s", strings.Join(names, " "), cert.Leaf.NotAfter.UTC().Format(time.DateTime)))
	}
	return slog.String("tls", strings.Join(each, "; "))
}
