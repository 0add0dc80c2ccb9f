package token

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// Algorithms are those that tokens may be signed with. RFC 7518, 3.1; RFC 8037, 3.1.
var Algorithms = []string{"HS256", "HS384", "HS512", "RS256", "ES256", "EdDSA"}

// minRSABits: "A key of size 2048 bits or larger MUST be used with these
// algorithms." RFC 7518, 3.3. Checking with an even larger one than maxRSABits
// would take a loop too long.
const (
	minRSABits = 2048
	maxRSABits = 4096
)

// Shared reports whether whoever checks tokens of an algorithm can make them too.
func Shared(algorithm string) bool { return strings.HasPrefix(algorithm, "HS") }

// publicKey returns the key that the algorithm's signatures are checked with.
func publicKey(algorithm string, key []byte) (any, error) {
	switch algorithm {
	case "HS256", "HS384", "HS512":
		if len(key) == 0 {
			return nil, errors.New("the key is empty")
		}
		return key, nil
	case "RS256":
		public, err := jwt.ParseRSAPublicKeyFromPEM(key)
		if err != nil {
			return nil, noKey("an RSA", err)
		}
		if bits := public.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return nil, fmt.Errorf("an RSA key has %d to %d bits, not %d", minRSABits, maxRSABits, bits)
		}
		return public, nil
	case "ES256":
		public, err := jwt.ParseECPublicKeyFromPEM(key)
		if err != nil {
			return nil, noKey("a P-256", err)
		}
		if name := public.Params().Name; name != "P-256" {
			return nil, fmt.Errorf("ES256 takes a P-256 key, not %s", name)
		}
		return public, nil
	case "EdDSA":
		public, err := jwt.ParseEdPublicKeyFromPEM(key)
		if err != nil {
			return nil, noKey("an Ed25519", err)
		}
		return public, nil
	}
	return nil, fmt.Errorf("algorithm %q: use one of %s", algorithm, strings.Join(Algorithms, ", "))
}

func noKey(kind string, err error) error {
	return fmt.Errorf("the key is not the PEM of %s public key: %w", kind, err)
}

// Sign makes a token with a shared secret. said is what it claims, as JSON.
func Sign(algorithm string, secret []byte, said any) (string, error) {
	if !Shared(algorithm) {
		return "", fmt.Errorf("tokens are signed with %s, by whoever has the private key", algorithm)
	}
	payload, err := json.Marshal(said)
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"`+algorithm+`","typ":"JWT"}`)) + "." + encode(payload)
	signature, err := jwt.GetSigningMethod(algorithm).Sign(text, secret)
	if err != nil {
		return "", err
	}
	return text + "." + encode(signature), nil
}
