package run

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificate is what a server with TLS shows and its clients check: ECDSA on
// P-256, as most certificates of the web are.
type certificate struct {
	dir  string
	cert []byte // PEM
}

// newCertificate makes a certificate for the loopback addresses, for a day.
func newCertificate() (*certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	c := &certificate{cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
	if c.dir, err = os.MkdirTemp("", "roost-bench-"); err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	err = os.WriteFile(c.file("cert"), c.cert, 0o600)
	if err == nil {
		err = os.WriteFile(c.file("key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600)
	}
	if err != nil {
		c.remove()
		return nil, fmt.Errorf("run: %w", err)
	}
	return c, nil
}

func (c *certificate) file(what string) string { return filepath.Join(c.dir, what+".pem") }

// flags are how a server is told of it.
func (c *certificate) flags() []string {
	return []string{"--tls-cert", c.file("cert"), "--tls-key", c.file("key")}
}

func (c *certificate) remove() { _ = os.RemoveAll(c.dir) } // it is in a temporary folder
