package push

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/roost-ws/roost/server/push/internal/rawjson"
	"github.com/roost-ws/roost/server/push/internal/token"
)

// Tokens says which JSON Web Tokens (RFC 7519) of an app's backend its clients
// may show, as "jwt:<token>", where otherwise a signature for one channel and one
// connection stands. The claim "subscribe" lists channels, of which the last character
// may be a * for any end; "user_id", or else "sub", with "user_info" and "watchlist"
// says who the bearer is, on presence channels and for signing in. exp must be
// there, and holds when the token is shown: what it allowed then goes on.
type Tokens struct {
	// Off refuses all tokens.
	Off bool
	// Algorithm is what tokens are signed with, HS256, HS384, HS512, RS256, ES256 or
	// EdDSA; others are refused. Default HS256.
	Algorithm string
	// Key is the secret of HS256 and its like, by default the app's, and for the
	// other algorithms the public key in PEM.
	Key []byte
	// Issuer and Audience, if set, are what iss must be and what aud must name.
	Issuer, Audience string
	// MaxLifetime is the longest that a token may be good for, from iat or else from
	// now to exp. Default 24 h.
	MaxLifetime time.Duration
}

// MaxTokenBytes is the size of the largest token.
const MaxTokenBytes = token.MaxBytes

// tokenPrefix marks an auth as a token. No app key has a colon.
const tokenPrefix = "jwt:"

// verifier returns what checks the app's tokens, or nil when it takes none.
func (a *App) verifier(now func() time.Time) (*token.Verifier, error) {
	t := a.Tokens
	if t.Off {
		return nil, nil
	}
	if t.MaxLifetime < 0 {
		return nil, fmt.Errorf("app %s: tokens: the lifetime is negative", a.ID)
	}
	config := token.Config{
		Algorithm: cmp.Or(t.Algorithm, "HS256"), Key: t.Key, Issuer: t.Issuer, Audience: t.Audience,
		MaxLifetime: cmp.Or(t.MaxLifetime, token.DefaultMaxLifetime), Now: now,
	}
	if len(config.Key) == 0 && token.Shared(config.Algorithm) {
		config.Key = []byte(a.Secret)
	}
	v, err := token.New(config)
	if err != nil {
		return nil, fmt.Errorf("app %s: tokens: %w", a.ID, err)
	}
	return v, nil
}

// SignToken makes a token that the app takes, of claims that encoding/json turns
// into an object. It fails where that takes a private key, and where the app
// would refuse what it made.
func (a *App) SignToken(claims any) (string, error) {
	text, err := a.signed(claims)
	if err != nil {
		return "", fmt.Errorf("push: app %s: %w", a.ID, err)
	}
	v, err := a.verifier(wallClock)
	switch {
	case err != nil:
		return "", fmt.Errorf("push: %w", err)
	case v == nil:
		return "", fmt.Errorf("push: app %s: %w", a.ID, errNoTokens)
	}
	limits := a.withDefaults().Limits
	if _, err := readToken(v, text, &limits); err != nil {
		return "", fmt.Errorf("push: app %s would refuse the token: %w", a.ID, err)
	}
	return text, nil
}

// signed is SignToken without a look at the result.
func (a *App) signed(claims any) (string, error) {
	key := a.Tokens.Key
	if len(key) == 0 {
		key = []byte(a.Secret)
	}
	return token.Sign(cmp.Or(a.Tokens.Algorithm, "HS256"), key, claims)
}

// bearer is who shows a token, by the word of the customer's own backend.
type bearer struct {
	claims    *token.Claims
	who       *identity // nil when the token names no user
	watchlist []string
	userData  []byte // who, as user_data
}

// shownToken is the token that was shown last on a loop. A client shows its
// own for each channel, all at once when it connects.
type shownToken struct {
	verifier *token.Verifier // of the app, and of its configuration
	text     string
	bearer   *bearer
}

// bearer returns who shows text, or why it is no token of the app. It is called
// on the shard's loop.
func (a *app) bearer(sh *shard, text string) (*bearer, error) {
	v := a.tokens.Load()
	if last := &sh.token; v != nil && last.verifier == v && last.text == text && !last.bearer.claims.Expired(a.hub.now()) {
		return last.bearer, nil
	}
	b, err := a.verify(text)
	if err == nil {
		sh.token = shownToken{v, text, b}
	}
	return b, err
}

// verify is bearer without a look at the last one.
func (a *app) verify(text string) (*bearer, error) {
	v := a.tokens.Load()
	if v == nil {
		return nil, errNoTokens
	}
	return readToken(v, text, &a.config.Load().Limits)
}

// readToken returns who shows text to an app with verifier v.
func readToken(v *token.Verifier, text string, limits *AppLimits) (*bearer, error) {
	claims, err := v.Verify(text)
	if err != nil {
		return nil, err
	}
	b := &bearer{claims: claims}
	if len(claims.UserID) > 0 {
		b.userData = appendUserData(nil, claims)
		if b.who, b.watchlist, err = parseUserData(b.userData, limits); err != nil {
			return nil, err
		}
	}
	return b, nil
}

var errNoTokens = errors.New("the app takes no tokens")

// appendUserData appends what a token says of its user, in the form in which
// backends say it without tokens.
func appendUserData(b []byte, claims *token.Claims) []byte {
	b = append(b, `{"id":`...)
	b = append(b, claims.UserID...)
	if claims.UserInfo != nil {
		b = append(b, `,"user_info":`...)
		b = append(b, claims.UserInfo...)
	}
	if claims.Watchlist != nil {
		b = append(b, `,"watchlist":`...)
		b = append(b, claims.Watchlist...)
	}
	return append(b, '}')
}

// isToken returns the token that auth holds, if it is one.
func isToken(auth string) (text string, ok bool) { return strings.CutPrefix(auth, tokenPrefix) }

// permit says why the bearer of a token may not subscribe, if so.
func (s *session) permit(text string, d subscribeData) (*bearer, *subscriptionRefusal) {
	b, err := s.app.bearer(s.app.hub.shards[s.conn.Loop()], text)
	if err != nil {
		return nil, &subscriptionRefusal{kindAuth, "Invalid token: " + err.Error(), 401}
	}
	if !b.claims.Permits(d.name) {
		return nil, &subscriptionRefusal{kindAuth, "The token does not permit the channel", 401}
	}
	return b, nil
}

// identify says as whom s subscribes to a presence channel by a token. Nobody
// signed channel_data, which clients have for their own use: it must not say
// otherwise.
func (b *bearer) identify(s *session, d subscribeData) (*identity, *subscriptionRefusal) {
	who := b.who
	if who == nil && s.user() != nil {
		who = &s.user().identity
	}
	if who == nil {
		return nil, &subscriptionRefusal{kindAuth, "Subscribing to a presence channel takes a token with user_id or sub, or having signed in", 401}
	}
	if d.channelData.Kind() == rawjson.String {
		said, err := parseChannelData(d.channelData.Bytes(), &s.app.config.Load().Limits)
		if err != nil {
			return nil, &subscriptionRefusal{kindAuth, "Invalid " + err.Error(), 400}
		}
		if said.id != who.id {
			return nil, &subscriptionRefusal{kindAuth, "channel_data names another user than the token", 401}
		}
	}
	return who, nil
}

// signInBy is who s signs in as by a token. userData, which nobody signed, may
// be there for the client's own use.
func (s *session) signInBy(text string, userData []byte) (*bearer, *refusal) {
	limits := &s.app.config.Load().Limits
	b, err := s.app.bearer(s.app.hub.shards[s.conn.Loop()], text)
	switch {
	case err != nil:
		return nil, &refusal{codeUnauthorised, "Invalid token: " + err.Error()}
	case b.who == nil:
		return nil, &refusal{codeUnauthorised, "Signing in takes a token with user_id or sub"}
	case userData == nil:
		return b, nil
	}
	said, _, err := parseUserData(userData, limits)
	if err != nil {
		return nil, &refusal{codeUnauthorised, "Invalid " + err.Error()}
	}
	if said.id != b.who.id {
		return nil, &refusal{codeUnauthorised, "user_data names another user than the token"}
	}
	return b, nil
}
