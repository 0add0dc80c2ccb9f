// Package token makes and checks JSON Web Tokens (RFC 7519) with one key and one
// algorithm, which the token has no say in. It knows what a token may claim, and
// nothing of the apps and channels that the claims are about.
package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// MaxBytes is the size of the largest token. What is larger is not looked at:
	// anybody can send one.
	MaxBytes = 8 << 10
	// DefaultMaxLifetime is the longest that a token may be good for, unless a
	// Config says otherwise.
	DefaultMaxLifetime = 24 * time.Hour
	// Leeway is by how much the clock of who made a token may be off.
	Leeway = 30 * time.Second
	// MaxPatterns is how many patterns of channels a token may name.
	MaxPatterns = 200
)

// Config says which tokens are good.
type Config struct {
	Algorithm        string // one of Algorithms; a token of any other is refused
	Key              []byte // the secret of HS256 and the like, the PEM of a public key of all others
	Issuer, Audience string // what iss must be, and aud must name; empty: anything
	MaxLifetime      time.Duration
	Now              func() time.Time
}

// Verifier checks tokens. Any number of goroutines may use one.
type Verifier struct {
	key         any
	parser      *jwt.Parser
	maxLifetime time.Duration
	now         func() time.Time
}

// New makes a Verifier, or says what is wrong with the configuration.
func New(config Config) (*Verifier, error) {
	key, err := publicKey(config.Algorithm, config.Key)
	if err != nil {
		return nil, err
	}
	options := []jwt.ParserOption{
		// "none" is no algorithm here, and a public key is never taken for a secret:
		// the one algorithm decides before the key is touched. RFC 8725, 3.1.
		jwt.WithValidMethods([]string{config.Algorithm}),
		jwt.WithStrictDecoding(),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(Leeway),
		jwt.WithTimeFunc(config.Now),
	}
	if config.Issuer != "" {
		options = append(options, jwt.WithIssuer(config.Issuer))
	}
	if config.Audience != "" {
		options = append(options, jwt.WithAudience(config.Audience))
	}
	return &Verifier{
		key: key, parser: jwt.NewParser(options...),
		maxLifetime: config.MaxLifetime, now: config.Now,
	}, nil
}

// Claims is what a good token says.
type Claims struct {
	// Subscribe are the channels that its bearer may subscribe to, each a name, or
	// the beginning of names and a "*".
	Subscribe []string
	// UserID, UserInfo and Watchlist say who the bearer is, as JSON; nil when the
	// token does not.
	UserID, UserInfo, Watchlist json.RawMessage

	expires time.Time
}

// claims is Claims on the wire.
type claims struct {
	jwt.RegisteredClaims
	Subject   json.RawMessage `json:"sub"` // a string by the book, but not all backends have read it
	Subscribe []string        `json:"subscribe"`
	UserID    json.RawMessage `json:"user_id"`
	UserInfo  json.RawMessage `json:"user_info"`
	Watchlist json.RawMessage `json:"watchlist"`
}

// Verify returns what a token says. Its errors are for whoever made the token.
func (v *Verifier) Verify(text string) (*Claims, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("it has %d bytes, and may have %d", len(text), MaxBytes)
	}
	if strings.ContainsAny(text, "\r\n") { // which Go's base64 passes over
		return nil, explain(jwt.ErrTokenMalformed)
	}
	var c claims
	parsed, err := v.parser.ParseWithClaims(text, &c, func(*jwt.Token) (any, error) { return v.key, nil })
	if err != nil {
		return nil, explain(err)
	}
	// "If any of the listed extension Header Parameters are not understood and
	// supported by the recipient, then the JWS is invalid." RFC 7515, 4.1.11.
	if parsed.Header["crit"] != nil {
		return nil, errors.New("it has critical extensions, and none is known here")
	}
	from := v.now()
	if c.IssuedAt != nil {
		from = c.IssuedAt.Time
	}
	if c.ExpiresAt.Sub(from) > v.maxLifetime {
		return nil, fmt.Errorf("it is good for more than %v", v.maxLifetime)
	}
	if len(c.Subscribe) > MaxPatterns {
		return nil, fmt.Errorf("subscribe: at most %d patterns, got %d", MaxPatterns, len(c.Subscribe))
	}
	for _, pattern := range c.Subscribe {
		if i := strings.IndexByte(pattern, '*'); i >= 0 && i < len(pattern)-1 {
			return nil, fmt.Errorf("subscribe: %.250q: a * stands at the end", pattern)
		}
	}
	who := given(c.UserID)
	if who == nil {
		who = given(c.Subject)
	}
	return &Claims{c.Subscribe, who, given(c.UserInfo), given(c.Watchlist), c.ExpiresAt.Time}, nil
}

// given is what a claim says; null is as good as nothing.
func given(claim json.RawMessage) json.RawMessage {
	if string(claim) == "null" {
		return nil
	}
	return claim
}

// Expired reports whether a token has expired since it was verified.
func (c *Claims) Expired(now time.Time) bool { return !now.Before(c.expires.Add(Leeway)) }

// Permits reports whether the bearer may subscribe to the named channel.
func (c *Claims) Permits(channel string) bool {
	for _, pattern := range c.Subscribe {
		if prefix, ok := strings.CutSuffix(pattern, "*"); ok && strings.HasPrefix(channel, prefix) || pattern == channel {
			return true
		}
	}
	return false
}

// explain says in one sentence why a token is refused.
func explain(err error) error {
	for _, known := range []struct {
		is  error
		say string
	}{
		{jwt.ErrTokenMalformed, "it is not three parts in base64url, the first two JSON, with claims of the right types"},
		{jwt.ErrTokenUnverifiable, "its algorithm is not known"},
		{jwt.ErrTokenSignatureInvalid, "its signature, or the algorithm of that, is not the app's"},
		{jwt.ErrTokenRequiredClaimMissing, "it lacks a claim: exp, or what the app insists on"},
		{jwt.ErrTokenExpired, "it has expired"},
		{jwt.ErrTokenNotValidYet, "it is not good yet (nbf)"},
		{jwt.ErrTokenUsedBeforeIssued, "it was issued in the future (iat)"},
		{jwt.ErrTokenInvalidAudience, "it is for another audience (aud)"},
		{jwt.ErrTokenInvalidIssuer, "it is of another issuer (iss)"},
	} {
		if errors.Is(err, known.is) {
			return errors.New(known.say)
		}
	}
	return errors.New("its claims are not valid")
}
