package push

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

// claims are those of a token that is good for a minute.
func claims(more map[string]any) map[string]any {
	said := map[string]any{"exp": time.Now().Add(time.Minute).Unix()}
	for name, value := range more {
		said[name] = value
	}
	return said
}

func signToken(t testing.TB, app App, said any) string {
	t.Helper()
	text, err := app.signed(said)
	if err != nil {
		t.Fatal(err)
	}
	return "jwt:" + text
}

// Section 2, 8: one token in place of a signature for each channel, and those it
// does not name stay closed.
func TestTokenSubscribes(t *testing.T) {
	h, addr := start(t, Config{Apps: []App{testApp}})
	c, _ := pushtest.Connect(t, addr, "key")
	auth := signToken(t, testApp, claims(map[string]any{
		"subscribe": []string{"private-user.5", "private-team-*", "presence-*"}, "sub": "5", "user_info": map[string]any{"name": "<é>"},
	}))
	for _, channel := range []string{"private-user.5", "private-team-", "private-team-a", "private-team-encrypted"} {
		c.Event("pusher:subscribe", map[string]string{"channel": channel, "auth": auth})
		c.Expect(`{"event":"pusher_internal:subscription_succeeded","channel":"` + channel + `","data":"{}"}`)
		publish(t, h, channel, "e", "x")
		c.Expect(`{"event":"e","channel":"` + channel + `","data":"x"}`)
	}
	for _, channel := range []string{"private-user.55", "private-user", "private-team", "private-encrypted-team-a", "private-Team-a"} {
		c.Event("pusher:subscribe", map[string]string{"channel": channel, "auth": auth})
		c.Expect(`{"event":"pusher:subscription_error","channel":"` + channel + `","data":{"type":"AuthError","error":"The token does not permit the channel","status":401}}`)
	}
	// What the client says of its user for its own use does not reach others.
	c.Event("pusher:subscribe", map[string]string{"channel": "presence-a", "auth": auth, "channel_data": `{"user_id":5,"user_info":"a lie"}`})
	// encoding/json, which wrote the token, escapes what HTML might misread.
	c.Expect(succeeded("presence-a", `{"presence":{"ids":["5"],"hash":{"5":{"name":"\u003cé\u003e"}},"count":1}}`))
	c.Event("pusher:subscribe", map[string]string{"channel": "presence-b", "auth": auth})
	c.Expect(succeeded("presence-b", `{"presence":{"ids":["5"],"hash":{"5":{"name":"\u003cé\u003e"}},"count":1}}`))
}

// A token that is none, or another's, opens nothing, and the connection stays.
func TestRefusedTokens(t *testing.T) {
	off := App{ID: "2", Key: "off", Secret: "secret", Tokens: Tokens{Off: true}}
	_, addr := start(t, Config{Apps: []App{testApp, off}})
	c, id := pushtest.Connect(t, addr, "key")
	other := testApp
	other.Secret = "other"
	all := map[string]any{"subscribe": []string{"*"}}
	with := func(name string, value any) map[string]any {
		said := claims(all)
		said[name] = value
		return said
	}
	for what, row := range map[string]struct{ auth, channel, data, want string }{
		"empty":                   {"jwt:", "private-a", "", "Invalid token: it is not three parts"},
		"another secret":          {signToken(t, other, claims(all)), "private-a", "", "Invalid token: its signature"},
		"expired":                 {signToken(t, testApp, with("exp", time.Now().Add(-time.Minute).Unix())), "private-a", "", "Invalid token: it has expired"},
		"large":                   {"jwt:" + strings.Repeat("x", MaxTokenBytes+1), "private-a", "", "Invalid token: it has 8193 bytes"},
		"for too long":            {signToken(t, testApp, with("exp", time.Now().Add(25*time.Hour).Unix())), "private-a", "", "Invalid token: it is good for more than 24h0m0s"},
		"nobody":                  {signToken(t, testApp, claims(all)), "presence-a", "", "Subscribing to a presence channel takes a token with user_id or sub"},
		"nobody with a claim":     {signToken(t, testApp, claims(all)), "presence-a", `{"user_id":"5"}`, "Subscribing to a presence channel takes a token with user_id or sub"},
		"another":                 {signToken(t, testApp, with("sub", "5")), "presence-a", `{"user_id":"6"}`, "channel_data names another user"},
		"unreadable channel_data": {signToken(t, testApp, with("sub", "5")), "presence-a", `5`, "Invalid channel_data"},
		"odd user":                {signToken(t, testApp, with("user_id", []int{5})), "private-a", "", "Invalid token: user_data: id: expected a string"},
		"large user_info":         {signToken(t, testApp, claims(map[string]any{"subscribe": []string{"*"}, "sub": "5", "user_info": strings.Repeat("x", 2048)})), "private-a", "", "Invalid token: user_data: user_info: at most 2048"},
		"without the mark":        {strings.TrimPrefix(signToken(t, testApp, claims(all)), "jwt:"), "private-a", "", "Invalid signature"},
	} {
		data := map[string]string{"channel": row.channel, "auth": row.auth}
		if row.data != "" {
			data["channel_data"] = row.data
		}
		c.Event("pusher:subscribe", data)
		got := c.Next()
		if !strings.HasPrefix(got, `{"event":"pusher:subscription_error"`) || !strings.Contains(got, `"error":"`+row.want) {
			t.Errorf("%s: %s", what, got)
		}
	}
	// A user's own channel takes having signed in, whatever a token says.
	c.Event("pusher:subscribe", map[string]string{"channel": "#server-to-user-5", "auth": signToken(t, testApp, with("sub", "5"))})
	if got := c.Next(); !strings.Contains(got, "A user's own channel") {
		t.Error(got)
	}
	c.SubscribeAs("key", "secret", id, "private-a", "")
	c.Expect(succeeded("private-a", "{}"))

	c, _ = pushtest.Connect(t, addr, "off")
	c.Event("pusher:subscribe", map[string]string{"channel": "private-a", "auth": signToken(t, off, claims(all))})
	if got := c.Next(); !strings.Contains(got, "Invalid token: the app takes no tokens") {
		t.Error(got)
	}
}

// A token names the user who signs in. What the client says beside it must agree.
func TestTokenSignsIn(t *testing.T) {
	h, addr := start(t, Config{Apps: []App{testApp}})
	auth := signToken(t, testApp, claims(map[string]any{"user_id": 5, "user_info": "i", "watchlist": []string{"6"}}))
	c, _ := pushtest.Connect(t, addr, "key")
	c.Event("pusher:signin", map[string]string{"auth": auth, "user_data": `{"id":"5","user_info":"a lie","watchlist":["7"]}`})
	said := `{"user_data":` + string(Quote(`{"id":5,"user_info":"i","watchlist":["6"]}`).Raw()) + `}`
	c.Expect(`{"event":"pusher:signin_success","data":` + string(Quote(said).Raw()) + `}`)
	c.Expect(`{"event":"pusher_internal:watchlist_events","data":"{\"events\":[{\"name\":\"offline\",\"user_ids\":[\"6\"]}]}"}`)
	c.Event("pusher:signin", map[string]string{"auth": auth})
	c.Expect(`{"event":"pusher:signin_success","data":` + string(Quote(said).Raw()) + `}`)
	c.Event("pusher:subscribe", map[string]string{"channel": "#server-to-user-5"})
	c.Expect(succeeded("#server-to-user-5", "{}"))
	if n, err := h.Terminate("1", "5"); n != 1 || err != nil {
		t.Errorf("terminated %d, %v", n, err)
	}

	for what, row := range map[string]struct {
		claims map[string]any
		data   string
		want   string
	}{
		"nobody":  {map[string]any{"subscribe": []string{"*"}}, `{"id":"5"}`, "Signing in takes a token"},
		"another": {map[string]any{"sub": "5"}, `{"id":"6"}`, "user_data names another user"},
		"no JSON": {map[string]any{"sub": "5"}, `x`, "Invalid user_data"},
		"expired": {map[string]any{"sub": "5", "exp": 1}, `{"id":"5"}`, "Invalid token: it has expired"},
	} {
		c, _ := pushtest.Connect(t, addr, "key")
		c.Event("pusher:signin", map[string]string{"auth": signToken(t, testApp, claims(row.claims)), "user_data": row.data})
		if got := c.Next(); !strings.HasPrefix(got, `{"event":"pusher:error","data":{"code":4009,"message":"`+row.want) {
			t.Errorf("%s: %s", what, got)
		}
		c.ExpectClose(4009)
	}
}

// The token that a loop remembers is the app's and the configuration's, and
// expires like any other.
func TestRememberedToken(t *testing.T) {
	other := App{ID: "2", Key: "key2", Secret: "other"}
	a, _ := stage(t, 1, testApp, other)
	h := a.hub
	sh, b := h.shards[0], h.apps.Load().byID["2"]
	now := h.now()
	h.now = func() time.Time { return now }
	text := strings.TrimPrefix(signToken(t, testApp, map[string]any{"exp": now.Add(time.Minute).Unix()}), "jwt:")
	first, err := a.bearer(sh, text)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := a.bearer(sh, text); err != nil || again != first {
		t.Errorf("it was verified twice: %v", err)
	}
	if _, err := b.bearer(sh, text); err == nil {
		t.Error("another app takes it")
	}
	changed := testApp
	changed.Secret = "changed"
	if err := h.SetApps([]App{changed, other}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.bearer(sh, text); err == nil {
		t.Error("the app takes it after its secret has changed")
	}
	if err := h.SetApps([]App{testApp, other}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.bearer(sh, text); err != nil {
		t.Fatal(err)
	}
	now = now.Add(90 * time.Second)
	if _, err := a.bearer(sh, text); err == nil {
		t.Error("the app takes it after it has expired")
	}
}

// An app may insist on an algorithm, an issuer and an audience, and have a key
// that the server cannot sign with.
func TestTokenConfig(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	app := testApp
	app.Tokens = Tokens{
		Algorithm: "ES256", Key: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		Issuer: "us", Audience: "them", MaxLifetime: 2 * time.Minute,
	}
	_, addr := start(t, Config{Apps: []App{app}})
	good := claims(map[string]any{"subscribe": []string{"private-*"}, "iss": "us", "aud": "them"})
	text, err := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims(good)).SignedString(private)
	if err != nil {
		t.Fatal(err)
	}
	c, _ := pushtest.Connect(t, addr, "key")
	c.Event("pusher:subscribe", map[string]string{"channel": "private-a", "auth": signToken(t, testApp, good)})
	if got := c.Next(); !strings.Contains(got, "its signature") {
		t.Error(got)
	}
	c.Event("pusher:subscribe", map[string]string{"channel": "private-a", "auth": "jwt:" + text})
	c.Expect(succeeded("private-a", "{}"))
	if _, err := app.SignToken(good); err == nil {
		t.Error("a token was signed with a public key")
	}

	for what, tokens := range map[string]Tokens{
		"unknown algorithm": {Algorithm: "none"},
		"no key":            {Algorithm: "RS256"},
		"negative":          {MaxLifetime: -1},
	} {
		app.Tokens = tokens
		if _, err := New(Config{Apps: []App{app}}); err == nil || !strings.Contains(err.Error(), "tokens: ") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
