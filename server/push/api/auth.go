package api

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/roost-ws/roost/server/push"
)

// timestampWindow is how far a caller's clock may be from ours, either way. It
// is also how long a call that somebody recorded can be replayed.
const timestampWindow = 600 * time.Second

func unauthorized(format string, args ...any) error {
	return &failure{http.StatusUnauthorized, fmt.Sprintf(format, args...)}
}

// authenticate checks that a call was signed with app's secret, not long ago,
// and returns the parameters of its query.
func (h *Handler) authenticate(app *push.App, method, path, rawQuery string) (map[string]string, error) {
	params, err := parseQuery(rawQuery)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"auth_key", "auth_timestamp", "auth_version", "auth_signature"} {
		if params[name] == "" {
			return nil, unauthorized("Not authenticated: %s is missing", name)
		}
	}
	if params["auth_key"] != app.Key {
		return nil, unauthorized("Not authenticated: auth_key is not the key of app %s", app.ID)
	}
	if params["auth_version"] != "1.0" {
		return nil, unauthorized("Not authenticated: auth_version must be 1.0")
	}
	if err := h.checkTimestamp(params["auth_timestamp"]); err != nil {
		return nil, err
	}
	text := signedText(method, path, params)
	if signs(app.Secret, text, params["auth_signature"]) ||
		h.PathPrefix != "" && signs(app.Secret, signedText(method, h.PathPrefix+path, params), params["auth_signature"]) {
		return params, nil
	}
	return nil, unauthorized("Invalid signature: you should have sent the HMAC SHA256 hex digest, made with your secret, of %q", text)
}

// signs compares a signature with the one that secret makes of text.
func signs(secret, text, signature string) bool {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return hmac.Equal([]byte(hex.EncodeToString(mac.Sum(nil))), []byte(signature))
}

// parseQuery reads a query whose names must each be there once: of two values
// one would be signed for and the other used. Names do not differ by case, and
// nothing between two ampersands is no parameter, as for net/url.
func parseQuery(raw string) (map[string]string, error) {
	params := make(map[string]string)
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, errName := url.QueryUnescape(name)
		value, errValue := url.QueryUnescape(value)
		if errName != nil || errValue != nil {
			return nil, &failure{http.StatusBadRequest, "The query is not properly escaped"}
		}
		name = strings.ToLower(name)
		if _, ok := params[name]; ok {
			return nil, &failure{http.StatusBadRequest, fmt.Sprintf("The query has %q twice", name)}
		}
		params[name] = value
	}
	return params, nil
}

// signedText is what callers sign: the method, the path, and the query without
// the signature, sorted by name and not escaped.
func signedText(method, path string, params map[string]string) string {
	pairs := make([]string, 0, len(params))
	for name := range params {
		if name != "auth_signature" {
			pairs = append(pairs, name)
		}
	}
	slices.Sort(pairs)
	for i, name := range pairs {
		pairs[i] = name + "=" + params[name]
	}
	return method + "\n" + path + "\n" + strings.Join(pairs, "&")
}

func (h *Handler) checkTimestamp(s string) error {
	seconds, err := strconv.ParseUint(s, 10, 40) // more is no date on any calendar of ours
	if err != nil {
		return unauthorized("Not authenticated: auth_timestamp must be the time in seconds since 1970")
	}
	now := h.now()
	if age := now.Sub(time.Unix(int64(seconds), 0)); age > timestampWindow || age < -timestampWindow {
		return unauthorized("Timestamp expired: auth_timestamp (%s) is not within %d seconds of the server's time (%d). Compare the clocks of both machines", s, int(timestampWindow.Seconds()), now.Unix())
	}
	return nil
}

// checkBody compares a body with the digest that was signed for it.
func checkBody(digest string, body []byte) error {
	if len(body) == 0 && digest == "" {
		return nil
	}
	sum := md5.Sum(body)
	if digest != hex.EncodeToString(sum[:]) {
		return unauthorized("Not authenticated: body_md5 is not the MD5 hex digest of the body")
	}
	return nil
}
