package main

import "github.com/roost-ws/roost/server/push"

// tokensTable is [apps.tokens]: push.Tokens.
type tokensTable struct {
	Off         bool     `toml:"off"`
	Algorithm   string   `toml:"algorithm"`
	KeyFile     string   `toml:"key_file"`
	Issuer      string   `toml:"issuer"`
	Audience    string   `toml:"audience"`
	MaxLifetime duration `toml:"max_lifetime"`
}

// tokens returns what the table of f says.
func (t *tokensTable) tokens(f *file) (push.Tokens, error) {
	tokens := push.Tokens{
		Off: t.Off, Algorithm: t.Algorithm,
		Issuer: t.Issuer, Audience: t.Audience, MaxLifetime: t.MaxLifetime.Duration,
	}
	if t.KeyFile == "" {
		return tokens, nil
	}
	key, err := readSecret(f.beside(t.KeyFile))
	tokens.Key = []byte(key)
	return tokens, err
}
