package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var now = time.Unix(1_700_000_000, 0)

func clock() time.Time { return now }

// at is a number of seconds from now, as tokens write times.
func at(seconds int64) int64 { return now.Unix() + seconds }

// pair is an algorithm with a key to sign with and the key that tells.
type pair struct {
	private any
	public  []byte // as in Config.Key
}

func pems(t testing.TB, public crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func pairs(t testing.TB) map[string]pair {
	t.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]pair{
		"HS256": {[]byte("secret"), []byte("secret")},
		"HS384": {[]byte("secret"), []byte("secret")},
		"HS512": {[]byte("secret"), []byte("secret")},
		"RS256": {rsaKey, pems(t, &rsaKey.PublicKey)},
		"ES256": {ecKey, pems(t, &ecKey.PublicKey)},
		"EdDSA": {edKey, pems(t, edPublic)},
	}
}

// forge makes a token of any header, claims and key, good or bad.
func forge(t testing.TB, header map[string]any, said any, key any) string {
	t.Helper()
	encode := func(v any) string {
		text, ok := v.(string)
		if !ok {
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			text = string(b)
		}
		return base64.RawURLEncoding.EncodeToString([]byte(text))
	}
	text := encode(header) + "." + encode(said)
	alg, _ := header["alg"].(string)
	method := jwt.GetSigningMethod(alg)
	if method == nil {
		return text + "."
	}
	signature, err := method.Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func verifier(t testing.TB, config Config) *Verifier {
	t.Helper()
	config.Now = clock
	if config.MaxLifetime == 0 {
		config.MaxLifetime = DefaultMaxLifetime
	}
	v, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// RFC 8725, 3.1: each app's algorithm takes its own tokens and those of no other
// algorithm, above all not those signed with the public key as if it were a
// secret, nor unsigned ones.
func TestAlgorithmIsPinned(t *testing.T) {
	keys := pairs(t)
	said := map[string]any{"exp": at(60), "subscribe": []string{"private-a"}}
	for _, pinned := range Algorithms {
		v := verifier(t, Config{Algorithm: pinned, Key: keys[pinned].public})
		for alg, key := range keys {
			_, err := v.Verify(forge(t, map[string]any{"alg": alg}, said, key.private))
			if ok := err == nil; ok != (alg == pinned) {
				t.Errorf("%s takes a token of %s: %v", pinned, alg, err)
			}
		}
		for what, text := range map[string]string{
			"the public key as a secret": forge(t, map[string]any{"alg": "HS256"}, said, append(keys[pinned].public, 0)[:len(keys[pinned].public)]),
			"none":                       forge(t, map[string]any{"alg": "none"}, said, jwt.UnsafeAllowNoneSignatureType),
			"NONE":                       forge(t, map[string]any{"alg": "nOnE"}, said, nil),
			"no algorithm":               forge(t, map[string]any{}, said, nil),
			"a number for one":           forge(t, map[string]any{"alg": 5}, said, nil),
		} {
			if _, err := v.Verify(text); err == nil && (pinned != "HS256" || what != "the public key as a secret") {
				t.Errorf("%s takes a token with %s", pinned, what)
			}
		}
	}
}

// What is wrong with a token is found, and said to its maker.
func TestHostileTokens(t *testing.T) {
	v := verifier(t, Config{Algorithm: "HS256", Key: []byte("secret"), Issuer: "us", Audience: "them"})
	hs := map[string]any{"alg": "HS256", "typ": "JWT"}
	good := map[string]any{"exp": at(60), "iss": "us", "aud": "them", "subscribe": []string{"private-a"}}
	with := func(changes map[string]any) string {
		said := maps.Clone(good)
		for name, value := range changes {
			if said[name] = value; value == nil {
				delete(said, name)
			}
		}
		return forge(t, hs, said, []byte("secret"))
	}
	text := with(nil)
	if _, err := v.Verify(text); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(text, ".")
	last := text[len(text)-1]
	for what, c := range map[string]struct{ text, want string }{
		"nothing":             {"", "three parts"},
		"two parts":           {parts[0] + "." + parts[1], "three parts"},
		"four parts":          {text + ".", "three parts"},
		"only dots":           {strings.Repeat(".", MaxBytes), "three parts"},
		"padding":             {text + "=", "three parts"},
		"a line's end":        {text[:len(text)-4] + "\r\n" + text[len(text)-4:], "three parts"}, // base64 passes over it
		"no base64":           {parts[0] + ".%%%." + parts[2], "three parts"},
		"large":               {text + strings.Repeat("A", MaxBytes), "8192"},
		"no signature":        {parts[0] + "." + parts[1] + ".", "signature"},
		"short signature":     {text[:len(text)-3], "signature"},
		"another spelling":    {text[:len(text)-1] + string(next(last)), "three parts"},
		"another secret":      {forge(t, hs, good, []byte("Secret")), "signature"},
		"claims of another":   {parts[0] + "." + strings.Split(with(map[string]any{"subscribe": []string{"*"}}), ".")[1] + "." + parts[2], "signature"},
		"no JSON":             {forge(t, hs, "x", []byte("secret")), "three parts"},
		"an array":            {forge(t, hs, "[]", []byte("secret")), "three parts"},
		"null":                {forge(t, hs, "null", []byte("secret")), "lacks a claim"},
		"deep":                {forge(t, hs, strings.Repeat("[", 5000), []byte("secret")), "three parts"},
		"critical extension":  {forge(t, map[string]any{"alg": "HS256", "crit": []string{"b64"}, "b64": false}, good, []byte("secret")), "critical"},
		"no exp":              {with(map[string]any{"exp": nil}), "lacks a claim"},
		"exp is null":         {forge(t, hs, `{"exp":null,"iss":"us","aud":"them"}`, []byte("secret")), "lacks a claim"},
		"exp is text":         {with(map[string]any{"exp": "tomorrow"}), "three parts"},
		"expired":             {with(map[string]any{"exp": at(-31)}), "expired"},
		"for ever":            {with(map[string]any{"exp": 1e300}), ""},
		"negative for ever":   {with(map[string]any{"exp": -1e300}), ""},
		"for too long":        {with(map[string]any{"exp": at(86401)}), "more than 24h"},
		"for too long by iat": {with(map[string]any{"exp": at(60), "iat": at(60 - 86401)}), "more than 24h"},
		"not yet":             {with(map[string]any{"nbf": at(31)}), "not good yet"},
		"from the future":     {with(map[string]any{"iat": at(31)}), "future"},
		"of another":          {with(map[string]any{"iss": "me"}), "issuer"},
		"of nobody":           {with(map[string]any{"iss": nil}), "lacks a claim"},
		"for another":         {with(map[string]any{"aud": []string{"us", "me"}}), "audience"},
		"for nobody":          {with(map[string]any{"aud": nil}), "lacks a claim"},
		"subscribe is text":   {with(map[string]any{"subscribe": "private-a"}), "three parts"},
		"a * in the middle":   {with(map[string]any{"subscribe": []string{"private-*-a"}}), "at the end"},
		"two of them":         {with(map[string]any{"subscribe": []string{"private-**"}}), "at the end"},
		"many patterns":       {with(map[string]any{"subscribe": make([]string, MaxPatterns+1)}), "at most 200"},
	} {
		if claims, err := v.Verify(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v; want an error with %q", what, claims, err, c.want)
		}
	}
}

// next is the letter of base64url that differs in the last bit only, which a
// signature of 32 bytes does not use.
func next(letter byte) byte {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return letters[strings.IndexByte(letters, letter)^1]
}

// A token is good up to its limits, for clocks that are off by the leeway.
func TestGoodTokens(t *testing.T) {
	v := verifier(t, Config{Algorithm: "HS256", Key: []byte("secret")})
	for what, said := range map[string]map[string]any{
		"just expired":     {"exp": at(-29)},
		"longest":          {"exp": at(86400)},
		"longest by iat":   {"exp": at(86400), "iat": at(0)},
		"a fraction":       {"exp": float64(at(60)) + 0.5},
		"of a fast clock":  {"exp": at(60), "nbf": at(29), "iat": at(29)},
		"for and by whom":  {"exp": at(60), "aud": "x", "iss": "y"},
		"with other words": {"exp": at(60), "jti": "1", "scope": []int{1}},
	} {
		if _, err := v.Verify(forge(t, map[string]any{"alg": "HS256"}, said, []byte("secret"))); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Who the bearer is comes through byte for byte; user_id wins over sub.
func TestClaims(t *testing.T) {
	v := verifier(t, Config{Algorithm: "HS256", Key: []byte("secret")})
	text := `{"exp":1700000060,"sub":"s","user_id":5,"user_info":{"a": 1.0,"a":"<é>"},"watchlist":["6"],"subscribe":["private-a","presence-*"]}`
	c, err := v.Verify(forge(t, map[string]any{"alg": "HS256"}, text, []byte("secret")))
	if err != nil {
		t.Fatal(err)
	}
	if string(c.UserID) != "5" || string(c.UserInfo) != `{"a": 1.0,"a":"<é>"}` || string(c.Watchlist) != `["6"]` {
		t.Errorf("claims %+v", c)
	}
	for channel, want := range map[string]bool{
		"private-a": true, "private-ab": false, "private-": false, "presence-": true, "presence-x": true, "presence": false, "": false,
	} {
		if c.Permits(channel) != want {
			t.Errorf("permits %q: %v", channel, !want)
		}
	}
	if c.Expired(now.Add(89*time.Second)) || !c.Expired(now.Add(90*time.Second)) {
		t.Error("it does not expire a leeway after exp")
	}
	if c, err = v.Verify(forge(t, map[string]any{"alg": "HS256"}, `{"exp":1700000060,"sub":"s","user_id":null}`, []byte("secret"))); err != nil || string(c.UserID) != `"s"` {
		t.Errorf("sub alone: %+v, %v", c, err)
	}
	if c.Permits("private-a") {
		t.Error("a token without subscribe permits a channel")
	}
}

// Keys that are none, too weak, or of another algorithm are found at once.
func TestKeys(t *testing.T) {
	keys := pairs(t)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]Config{
		"none":            {Algorithm: "none", Key: []byte("x")},
		"no algorithm":    {Key: []byte("x")},
		"unknown":         {Algorithm: "HS255", Key: []byte("x")},
		"empty secret":    {Algorithm: "HS256"},
		"no PEM":          {Algorithm: "RS256", Key: []byte("x")},
		"EC for RSA":      {Algorithm: "RS256", Key: keys["ES256"].public},
		"RSA for EC":      {Algorithm: "ES256", Key: keys["RS256"].public},
		"RSA for Ed25519": {Algorithm: "EdDSA", Key: keys["RS256"].public},
		"1,024 bits":      {Algorithm: "RS256", Key: pems(t, &weak.PublicKey)},
		"P-384":           {Algorithm: "ES256", Key: pems(t, &other.PublicKey)},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
}

// What Sign makes is what Verify takes.
func TestSign(t *testing.T) {
	for _, algorithm := range Algorithms {
		text, err := Sign(algorithm, []byte("secret"), map[string]any{"exp": at(60), "sub": "5"})
		if !Shared(algorithm) {
			if err == nil {
				t.Errorf("%s: signed with a secret", algorithm)
			}
			continue
		}
		if err == nil {
			_, err = verifier(t, Config{Algorithm: algorithm, Key: []byte("secret")}).Verify(text)
		}
		if err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
}
