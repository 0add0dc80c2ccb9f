// Package testcert makes certificates for tests, each of them anew. Only tests may
// call it. It knows nothing of what they test.
//
// What cannot fail but on a machine without randomness panics, so that certificates can be
// made where there is no testing.T.
package testcert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// SelfSigned makes a certificate for names and IP addresses. Its key is ECDSA on
// P-256, as that of most sites is.
func SelfSigned(names ...string) tls.Certificate {
	key := newKey()
	template := newTemplate(names)
	return sign(template, template, key, key)
}

// SelfSignedEd25519 is SelfSigned with a key whose signatures all have one
// length, so that a simulated handshake is the same each time.
func SelfSignedEd25519(names ...string) tls.Certificate {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	template := newTemplate(names)
	return sign(template, template, key, key)
}

// Authority signs certificates.
type Authority struct{ own tls.Certificate }

// NewAuthority makes one that nobody trusts yet.
func NewAuthority() *Authority {
	key := newKey()
	template := newTemplate([]string{"roost test authority"})
	template.DNSNames = nil
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	return &Authority{sign(template, template, key, key)}
}

// Issue makes a certificate for names and IP addresses, of a server or of a client.
func (a *Authority) Issue(names ...string) tls.Certificate {
	template := newTemplate(names)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	return sign(template, a.own.Leaf, newKey(), a.own.PrivateKey.(crypto.Signer))
}

// Pool is what trusts the authority.
func (a *Authority) Pool() *x509.CertPool { return Pool(a.own) }

// Pool is what trusts a certificate of its own signature.
func Pool(cert tls.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(cert.Leaf)
	return pool
}

// PEM is what is in a certificate's files.
func PEM(cert tls.Certificate) (certificate, key []byte) {
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	must(err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	return key
}

// newTemplate is of a certificate that holds for a day around now.
func newTemplate(names []string) *x509.Certificate {
	number, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	must(err)
	template := &x509.Certificate{
		SerialNumber: number, Subject: pkix.Name{CommonName: names[0]},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return template
}

// sign makes the certificate of key's owner by the hand of parent's.
func sign(template, parent *x509.Certificate, key, by crypto.Signer) tls.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	must(err)
	leaf, err := x509.ParseCertificate(der)
	must(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
