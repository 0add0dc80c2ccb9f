package ktls

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"testing"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// RFC 8448 section 3, "{server} derive write traffic keys for application data".
func TestRFC8448KeySchedule(t *testing.T) {
	secret := unhex(t, "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")
	k, err := NewKey(tls.TLS_AES_128_GCM_SHA256, secret)
	if err != nil {
		t.Fatal(err)
	}
	if want := unhex(t, "9f02283b6c9c07efc26bb9f2ac92e356"); !bytes.Equal(k.key, want) {
		t.Errorf("key %x, want %x", k.key, want)
	}
	if want := unhex(t, "cf782b88dd83549aadf1e984"); !bytes.Equal(k.iv, want) {
		t.Errorf("iv %x, want %x", k.iv, want)
	}
}

func TestUnknownSuiteIsUnsupported(t *testing.T) {
	if _, err := NewKey(tls.TLS_RSA_WITH_AES_128_CBC_SHA, make([]byte, sha256.Size)); !errors.Is(err, ErrUnsupported) {
		t.Errorf("%v; want ErrUnsupported", err)
	}
}

func TestRecordLen(t *testing.T) {
	record := []byte{23, 3, 3, 1, 2, 0xff}
	for n := range record {
		want := 0
		if n >= RecordHeaderLen {
			want = RecordHeaderLen + 0x102
		}
		if got := RecordLen(record[:n]); got != want {
			t.Errorf("of %d bytes: %d, want %d", n, got, want)
		}
	}
}

func TestSecretsTakeTheApplicationTrafficSecrets(t *testing.T) {
	var s Secrets
	for _, line := range []string{
		"SERVER_HANDSHAKE_TRAFFIC_SECRET 00 01\n", "CLIENT_TRAFFIC_SECRET_0 00 02ff\n",
		"SERVER_TRAFFIC_SECRET_0 00 03\n", "EXPORTER_SECRET 00 04\n", "nonsense\n",
	} {
		if _, err := s.Write([]byte(line)); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}
	if !bytes.Equal(s.Client, []byte{2, 0xff}) || !bytes.Equal(s.Server, []byte{3}) {
		t.Errorf("client %x, server %x", s.Client, s.Server)
	}
	if _, err := s.Write([]byte("SERVER_TRAFFIC_SECRET_0 00 0g\n")); err == nil {
		t.Error("a secret that is no hexadecimal number was taken")
	}
}
