package push

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// authorises reports whether auth, "<key>:<hex>" as a customer's own backend
// issues it, is a's signature of the parts joined by colons. It takes the same
// time for every wrong signature.
func (a *App) authorises(auth string, parts ...string) bool {
	key, digest, ok := strings.Cut(auth, ":")
	if !ok || key != a.Key {
		return false
	}
	got, err := hex.DecodeString(digest)
	if err != nil || strings.ToLower(digest) != digest {
		return false
	}
	mac := hmac.New(sha256.New, []byte(a.Secret))
	mac.Write([]byte(strings.Join(parts, ":")))
	return hmac.Equal(mac.Sum(nil), got)
}
