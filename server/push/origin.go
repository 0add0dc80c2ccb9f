package push

import (
	"regexp"
	"strings"
)

// originPattern is what App.Origins may hold.
var originPattern = regexp.MustCompile(`\A(?:https?://)?(?:\*\.)?[a-z0-9.\-\[\]:]+\z`)

// allows reports whether scripts of a page with the given Origin may connect. A
// client that sends none is no browser, and a header would not stop it.
func (a *App) allows(origin string) bool {
	if len(a.Origins) == 0 || origin == "" {
		return true
	}
	origin = strings.ToLower(origin)
	_, host, _ := strings.Cut(origin, "://")
	for _, want := range a.Origins {
		scheme, wantHost, hasScheme := strings.Cut(want, "://")
		if !hasScheme {
			wantHost = want
		} else if !strings.HasPrefix(origin, scheme+"://") {
			continue
		}
		if host == wantHost || strings.HasPrefix(wantHost, "*.") && strings.HasSuffix(host, wantHost[1:]) {
			return true
		}
	}
	return false
}

// secure reports whether a proxy says that the client came by TLS. Of several
// proxies the first one knows.
func secure(forwardedProto string) bool {
	first, _, _ := strings.Cut(forwardedProto, ",")
	return strings.EqualFold(strings.TrimSpace(first), "https")
}
