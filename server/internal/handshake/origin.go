package handshake

import (
	"bytes"
	"fmt"
	"strings"
)

// Origins says which web pages may open a WebSocket. Browsers let any page try,
// and send the cookies of the server's site along; the Origin field is the only
// defence. Other clients send none or whatever they like.
//
// The first of Any, Check and Allow that is set decides alone. The zero value
// asks for the same origin: a request that has an Origin must have the host and
// port of that origin in its Host field. The scheme is not compared, since a
// proxy may have ended the TLS. A request without an Origin is accepted, except
// by a Check that says otherwise.
type Origins struct {
	// Any accepts every request.
	Any bool

	// Check decides about a request by its Origin field, "" when there is none,
	// and the authority it is for. It may block, unless the server's handlers must
	// not. When it panics, the request is answered with 500.
	Check func(origin, host string) bool

	// Allow lists the origins that are accepted, as scheme://host or
	// scheme://host:port. A host may begin with "*.", which stands for one or more
	// labels: https://*.example.com is met by https://a.b.example.com and not by
	// https://example.com. An empty list that is not nil accepts none.
	Allow []string
}

// originRules is Origins, taken apart once.
type originRules struct {
	any   bool
	check func(origin, host string) bool
	list  bool // Allow was given
	allow []originRule
}

type originRule struct {
	scheme, host, port string // port: the scheme's default when none was written
	wild               bool   // host, which then begins with a dot, is only the end
}

func (o Origins) compile() (originRules, error) {
	rules := originRules{any: o.Any, check: o.Check, list: o.Allow != nil}
	for _, pattern := range o.Allow {
		rule, err := compileOrigin(pattern)
		if err != nil {
			return originRules{}, err
		}
		rules.allow = append(rules.allow, rule)
	}
	return rules, nil
}

func compileOrigin(pattern string) (originRule, error) {
	concrete := strings.Replace(pattern, "://*.", "://", 1)
	o, ok := parseOrigin([]byte(concrete))
	if !ok {
		return originRule{}, fmt.Errorf("handshake: origin %q is not of the form scheme://host or scheme://host:port, with or without *. before the host", pattern)
	}
	rule := originRule{scheme: string(o.scheme), host: string(o.host), port: string(o.port)}
	if concrete == pattern {
		return rule, nil
	}
	if !isName(o.host) {
		return originRule{}, fmt.Errorf("handshake: origin %q has a wildcard before an address", pattern)
	}
	rule.wild = true
	rule.host = "." + rule.host
	return rule, nil
}

// accepts decides about the value of an Origin field; present tells an empty
// one from none.
func (rules *originRules) accepts(value []byte, present bool, host []byte) bool {
	switch {
	case rules.any:
		return true
	case rules.check != nil:
		return rules.check(string(value), string(host))
	case !present:
		return true
	}
	o, ok := parseOrigin(value)
	if !ok {
		return false // "null" among others, which many unrelated documents share
	}
	if !rules.list {
		return o.sameAs(host)
	}
	for i := range rules.allow {
		if rules.allow[i].matches(o) {
			return true
		}
	}
	return false
}

func (rule *originRule) matches(o origin) bool {
	if !equalFold(o.scheme, rule.scheme) || string(o.port) != rule.port {
		return false
	}
	if !rule.wild {
		return equalFold(o.host, rule.host)
	}
	labels := len(o.host) - len(rule.host)
	return labels > 0 && equalFold(o.host[labels:], rule.host) && isLabels(o.host[:labels])
}

// isLabels reports whether a name has no empty label in it.
func isLabels(name []byte) bool {
	return name[0] != '.' && name[len(name)-1] != '.' && !bytes.Contains(name, []byte(".."))
}

// origin is the value of an Origin field: a scheme, a host and a port, which is
// the scheme's default when none was written (RFC 6454, 6.1).
type origin struct {
	scheme, host, port []byte
}

// parseOrigin accepts exactly scheme "://" host [":" port]. A path, userinfo or
// white space make it something that no browser sends.
func parseOrigin(b []byte) (o origin, ok bool) {
	scheme, authority, ok := bytes.Cut(b, []byte("://"))
	if !ok || !isScheme(scheme) || bytes.HasSuffix(authority, []byte(":")) {
		return origin{}, false
	}
	o.scheme = scheme
	o.host, o.port, ok = splitAuthority(authority)
	if len(o.port) == 0 {
		o.port = []byte(defaultPort(scheme))
	}
	return o, ok
}

// isScheme follows RFC 3986, 3.1.
func isScheme(b []byte) bool {
	for i, c := range b {
		switch c = lower(c); {
		case 'a' <= c && c <= 'z':
		case i > 0 && ('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.'):
		default:
			return false
		}
	}
	return len(b) > 0
}

// sameAs compares with the authority of a request, whose port, when it names
// none, is taken to be the default of the origin's scheme.
func (o origin) sameAs(authority []byte) bool {
	fallback := defaultPort(o.scheme)
	host, port, ok := splitAuthority(authority)
	if !ok || fallback == "" {
		return false
	}
	if len(port) == 0 {
		return string(o.port) == fallback && equalFold(o.host, host)
	}
	return bytes.Equal(o.port, port) && equalFold(o.host, host)
}
