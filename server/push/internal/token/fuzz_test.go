package token

import (
	"strings"
	"testing"
)

// Whatever a client shows, nothing but a token that was signed with the secret is
// taken, in its one spelling.
func FuzzVerify(f *testing.F) {
	v := verifier(f, Config{Algorithm: "HS256", Key: []byte("secret")})
	said := map[string]any{"exp": at(60), "sub": "5", "subscribe": []string{"private-*"}}
	good, err := Sign("HS256", []byte("secret"), said)
	if err != nil {
		f.Fatal(err)
	}
	other, err := Sign("HS512", []byte("secret"), said)
	if err != nil {
		f.Fatal(err)
	}
	parts := strings.Split(good, ".")
	for _, seed := range []string{
		good, other, good + "=", good[:len(good)-1], parts[0] + ".e30." + parts[2], "eyJhbGciOiJub25lIn0.e30.", "..", "",
		forge(f, map[string]any{"alg": "HS256", "crit": []string{"exp"}}, said, []byte("secret")),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		claims, err := v.Verify(text)
		if (err == nil) != (text == good) {
			t.Fatalf("%q: %+v, %v", text, claims, err)
		}
		if err != nil && err.Error() == "" {
			t.Fatal("an error without words")
		}
	})
}
