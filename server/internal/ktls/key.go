package ktls

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"
)

// ErrUnsupported is reported when the kernel has no TLS, or not for the
// cipher suite or the direction asked for.
var ErrUnsupported = errors.New("the kernel does not offer TLS for this connection")

// ivLen is the length of a TLS 1.3 nonce, in bytes, of every suite.
const ivLen = 12

// suite is what differs between the cipher suites of TLS 1.3.
type suite struct {
	hash   func() hash.Hash
	keyLen int
	aead   func(key []byte) (cipher.AEAD, error)
}

var suites = map[uint16]suite{
	tls.TLS_AES_128_GCM_SHA256:       {sha256.New, 16, newGCM},
	tls.TLS_AES_256_GCM_SHA384:       {sha512.New384, 32, newGCM},
	tls.TLS_CHACHA20_POLY1305_SHA256: {sha256.New, chacha20poly1305.KeySize, chacha20poly1305.New},
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Key protects the records of one direction (RFC 8446 7.3).
type Key struct {
	suiteID uint16
	secret  []byte
	key, iv []byte
}

// NewKey derives the key from an application traffic secret of a TLS 1.3
// connection with the given cipher suite. The secret is kept, not copied.
func NewKey(suiteID uint16, secret []byte) (*Key, error) {
	s, ok := suites[suiteID]
	if !ok {
		return nil, fmt.Errorf("cipher suite %s: %w", tls.CipherSuiteName(suiteID), ErrUnsupported)
	}
	k := &Key{suiteID: suiteID, secret: secret}
	var err error
	if k.key, err = expandLabel(s.hash, secret, "key", s.keyLen); err == nil {
		k.iv, err = expandLabel(s.hash, secret, "iv", ivLen)
	}
	return k, err
}

// Next is the key after a KeyUpdate (RFC 8446 7.2). Its first record is number 0.
func (k *Key) Next() (*Key, error) {
	hash := suites[k.suiteID].hash
	secret, err := expandLabel(hash, k.secret, "traffic upd", hash().Size())
	if err != nil {
		return nil, err
	}
	return NewKey(k.suiteID, secret)
}

// Opens reports whether record, a whole one with its header, is protected by k
// as its record number seq. It does not change record.
func (k *Key) Opens(record []byte, seq uint64) bool {
	if len(record) < RecordHeaderLen {
		return false
	}
	aead, err := suites[k.suiteID].aead(k.key)
	if err != nil {
		return false
	}
	nonce := make([]byte, ivLen)
	binary.BigEndian.PutUint64(nonce[ivLen-8:], seq)
	for i := range nonce {
		nonce[i] ^= k.iv[i]
	}
	_, err = aead.Open(nil, nonce, record[RecordHeaderLen:], record[:RecordHeaderLen])
	return err == nil
}

// RecordHeaderLen is the length of a record's header: type, version, length.
const RecordHeaderLen = 5

// RecordLen is the length of the record that b begins with, its header
// included, or 0 while b has not its whole header.
func RecordLen(b []byte) int {
	if len(b) < RecordHeaderLen {
		return 0
	}
	return RecordHeaderLen + int(binary.BigEndian.Uint16(b[3:]))
}

// expandLabel is HKDF-Expand-Label of RFC 8446 7.1 with no context.
func expandLabel(h func() hash.Hash, secret []byte, label string, length int) ([]byte, error) {
	const prefix = "tls13 "
	info := binary.BigEndian.AppendUint16(nil, uint16(length))
	info = append(info, byte(len(prefix)+len(label)))
	info = append(info, prefix+label...)
	info = append(info, 0)
	return hkdf.Expand(h, secret, string(info), length)
}
