package push

import (
	"net/url"
	"strconv"
	"strings"
)

// The versions of the protocol that are spoken. They differ in nothing the
// server sends, except that 5 knows errors as events only.
const (
	oldestVersion = 5
	newestVersion = 7
)

// admit finds the app a client asks for with the path and query of its opening
// handshake. The WebSocket is open already when it says no, since a browser is told
// nothing about a handshake that failed.
func (t *apps) admit(path string, query url.Values) (*app, *refusal) {
	// Whatever stands before /app/ is a proxy's business.
	i := strings.LastIndex(path, "/app/")
	if i < 0 {
		return nil, &refusal{codePathNotFound, "Path not found: connect to /app/ followed by the app key"}
	}
	key := path[i+len("/app/"):]
	if !idPattern.MatchString(key) {
		return nil, &refusal{codePathNotFound, "Path not found: what follows /app/ is no app key"}
	}
	a := t.byKey[key]
	if a == nil {
		return nil, &refusal{codeNoApp, "Application does not exist: there is no app with key " + key}
	}
	if a.config.Load().Disabled {
		return nil, &refusal{codeAppDisabled, "Application disabled"}
	}
	if r := checkVersion(query.Get("protocol")); r != nil {
		return nil, r
	}
	return a, nil
}

// welcomes says why a client of a may not connect, by what its handshake and the
// proxies it came through say of it. tls says that it came by TLS to us.
func (a *App) welcomes(origin, forwardedProto string, tls bool) *refusal {
	switch {
	case a.TLSOnly && !tls && !secure(forwardedProto):
		return &refusal{codeTLSOnly, "Application only accepts SSL connections: connect with wss"}
	case !a.allows(origin):
		return &refusal{codeUnauthorised, "Origin not allowed"}
	}
	return nil
}

func checkVersion(s string) *refusal {
	if s == "" {
		return &refusal{codeNoVersion, "No protocol version supplied"}
	}
	version, err := strconv.Atoi(s)
	if err != nil {
		return &refusal{codeInvalidVersion, "Invalid version string format"}
	}
	if version < oldestVersion || version > newestVersion {
		return &refusal{codeUnsupportedVersion, "Unsupported protocol version: 5, 6 and 7 are spoken here"}
	}
	return nil
}
