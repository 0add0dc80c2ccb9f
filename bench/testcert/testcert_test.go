package testcert

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
)

// Certificates are good for the names that they were made for and no others, to
// whoever trusts the one who signed, and nobody else; and survive their files.
func TestCertificates(t *testing.T) {
	a, other := NewAuthority(), NewAuthority()
	self, quick := SelfSigned("roost.test", "127.0.0.1"), SelfSignedEd25519("roost.test", "127.0.0.1")
	for what, c := range map[string]struct {
		cert         tls.Certificate
		trust, doubt *x509.CertPool
	}{
		"issued":               {a.Issue("roost.test", "127.0.0.1"), a.Pool(), other.Pool()},
		"self-signed":          {self, Pool(self), Pool(quick)},
		"self-signed, ed25519": {quick, Pool(quick), Pool(self)},
	} {
		again, err := tls.X509KeyPair(PEM(c.cert))
		if err != nil || !again.Leaf.Equal(c.cert.Leaf) {
			t.Errorf("%s: its files are %v", what, err)
		}
		for _, name := range []string{"roost.test", "127.0.0.1"} {
			if _, err := again.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: c.trust}); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := c.cert.Leaf.Verify(x509.VerifyOptions{DNSName: "other.test", Roots: c.trust}); err == nil {
			t.Errorf("%s is good for another name", what)
		}
		if _, err := c.cert.Leaf.Verify(x509.VerifyOptions{DNSName: "roost.test", Roots: c.doubt}); err == nil {
			t.Errorf("%s is trusted by strangers", what)
		}
	}
}
