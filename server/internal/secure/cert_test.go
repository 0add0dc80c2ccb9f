package secure

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"testing"
	"time"
	"unsafe"
)

// selfSigned makes a certificate for roost.test, and a pool that trusts it.
func selfSigned(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"roost.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

func (s *Stream) raw() *bytes.Buffer {
	return (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(s.conn), fields.rawInput))
}

// held is how many bytes of buffers the stream holds.
func (s *Stream) held() int {
	hand := (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(s.conn), fields.hand))
	return s.raw().Cap() + hand.Cap() + cap(s.pipe.in) + len(s.Pending())
}
