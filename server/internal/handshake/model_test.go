package handshake

import (
	"crypto/sha1"
	"encoding/base64"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// This file is a second reading of the RFCs, slow and by other means (strings
// and regular expressions), for the fuzz targets to compare with.

var (
	modelRequestLine = regexp.MustCompile("^([!#$%&'*+\\-.^_`|~0-9A-Za-z]+) ([!-~]+) HTTP/1\\.([01])$")
	modelFieldLine   = regexp.MustCompile("^([!#$%&'*+\\-.^_`|~0-9A-Za-z]+):[ \t]*(|[!-~\u0080-\u00ff]|[!-~\u0080-\u00ff][\t -~\u0080-\u00ff]*[!-~\u0080-\u00ff])[ \t]*$")
	modelToken       = regexp.MustCompile("^[!#$%&'*+\\-.^_`|~0-9A-Za-z]+$")
	modelProtocol    = regexp.MustCompile("^[!#$%&'*+\\-.^_`|~0-9A-Za-z]+(/[!#$%&'*+\\-.^_`|~0-9A-Za-z]+)?$")
	modelAuthority   = regexp.MustCompile(`^([0-9A-Za-z._~-]+|\[([0-9A-Fa-f:.]+)\])(:([0-9]*))?$`)
	modelAbsolute    = regexp.MustCompile(`^(?i:https?|wss?)://([^/?#]*)(/[^?#]*)?(\?[^#]*)?$`)
	modelOrigin      = regexp.MustCompile(`^([A-Za-z][0-9A-Za-z+.-]*)://(.*)$`)
	modelLabels      = regexp.MustCompile(`^[0-9A-Za-z_~-]+(\.[0-9A-Za-z_~-]+)*\.$`)
)

// modelRequest is a request as the model reads it. Every byte of it is one rune.
type modelRequest struct {
	method, target, minor string
	host, path, query     string
	fields                map[string][]string // by lower-case name
	length                int64               // -1: chunked
}

func (m *modelRequest) list(name string) []string {
	var all []string
	for _, value := range m.fields[name] {
		for element := range strings.SplitSeq(value, ",") {
			if element = strings.Trim(element, " \t"); element != "" {
				all = append(all, element)
			}
		}
	}
	return all
}

// modelParse reads the head at the beginning of in.
func modelParse(in []byte, lim Limits) (m *modelRequest, n int, ok bool) {
	var runes strings.Builder
	for _, b := range in {
		runes.WriteRune(rune(b))
	}
	head, _, ok := strings.Cut(runes.String(), "\r\n\r\n")
	n = len([]rune(head)) + 4
	if !ok || n > lim.Bytes {
		return nil, 0, false
	}
	lines := strings.Split(head, "\r\n")
	words := modelRequestLine.FindStringSubmatch(lines[0])
	if words == nil || len(words[2]) > lim.Target || len(lines)-1 > lim.Fields {
		return nil, 0, false
	}
	m = &modelRequest{method: words[1], target: words[2], minor: words[3], fields: map[string][]string{}}
	for _, line := range lines[1:] {
		parts := modelFieldLine.FindStringSubmatch(line)
		if parts == nil {
			return nil, 0, false
		}
		name := strings.ToLower(parts[1])
		m.fields[name] = append(m.fields[name], parts[2])
	}
	return m, n, m.checkHost() && m.checkTarget() && m.checkFraming()
}

func modelHostPort(authority string) (host, port string, ok bool) {
	parts := modelAuthority.FindStringSubmatch(authority)
	if parts == nil {
		return "", "", false
	}
	if strings.HasPrefix(parts[1], "[") {
		if addr, err := netip.ParseAddr(parts[2]); err != nil || addr.Is4() {
			return "", "", false
		}
	}
	if parts[4] != "" {
		if n, err := strconv.Atoi(parts[4]); err != nil || n < 1 || n > 65535 {
			return "", "", false
		}
	}
	return parts[1], parts[4], true
}

func (m *modelRequest) checkHost() bool {
	hosts := m.fields["host"]
	if len(hosts) == 0 {
		return m.minor == "0"
	}
	m.host = hosts[0]
	_, _, ok := modelHostPort(m.host)
	return ok && len(hosts) == 1
}

func (m *modelRequest) checkTarget() bool {
	if m.method == "CONNECT" || m.target == "*" {
		m.path = "*"
		return m.method == "OPTIONS"
	}
	rest := m.target
	if !strings.HasPrefix(rest, "/") {
		parts := modelAbsolute.FindStringSubmatch(rest)
		if parts == nil {
			return false
		}
		if _, _, ok := modelHostPort(parts[1]); !ok {
			return false
		}
		m.host = parts[1]
		rest = "/" + strings.TrimPrefix(parts[2], "/") + parts[3]
	}
	raw, query, _ := strings.Cut(rest, "?")
	path, err := url.PathUnescape(raw)
	m.path, m.query = path, query
	return err == nil && !strings.ContainsAny(rest, "#") && !strings.Contains(path, "\x00")
}

func (m *modelRequest) checkFraming() bool {
	lengths, codings := m.fields["content-length"], m.fields["transfer-encoding"]
	if len(lengths)+len(codings) > 1 {
		return false
	}
	if len(codings) == 1 {
		m.length = -1
		return m.minor == "1" && strings.EqualFold(codings[0], "chunked")
	}
	if len(lengths) == 1 {
		n, err := strconv.ParseUint(lengths[0], 10, 63)
		m.length = int64(n)
		return err == nil
	}
	return true
}

// modelList reports whether a field value is a list of tokens, with versions or
// without, that has want in it.
func modelList(value, want string) bool {
	found := false
	for element := range strings.SplitSeq(value, ",") {
		element = strings.Trim(element, " \t")
		if element != "" && !modelProtocol.MatchString(element) {
			return false
		}
		found = found || strings.ToLower(element) == want
	}
	return found
}

func modelHasToken(values []string, want string) bool {
	return slices.ContainsFunc(values, func(value string) bool { return modelList(value, want) })
}

// modelUpgrade reports whether a server of that configuration gives m a
// WebSocket, with which accept value and subprotocol.
func modelUpgrade(m *modelRequest, c Config) (accept, subprotocol string, ok bool) {
	upgrade, version, key, origin := m.fields["upgrade"], m.fields["sec-websocket-version"], m.fields["sec-websocket-key"], m.fields["origin"]
	if m.method != "GET" || m.minor != "1" || m.length != 0 ||
		len(upgrade) != 1 || !modelHasToken(upgrade, "websocket") ||
		!modelHasToken(m.fields["connection"], "upgrade") ||
		!slices.Equal(version, []string{"13"}) || len(key) != 1 || len(origin) > 1 {
		return "", "", false
	}
	if decoded, err := base64.StdEncoding.DecodeString(key[0]); err != nil || len(decoded) != 16 {
		return "", "", false
	}
	if len(origin) == 1 && !modelAccepts(c.Origins, origin[0], m.host) {
		return "", "", false
	}
	sum := sha1.Sum([]byte(key[0] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:]), modelSubprotocol(m.list("sec-websocket-protocol"), c.Subprotocols), true
}

func modelSubprotocol(client, server []string) string {
	if slices.ContainsFunc(client, func(name string) bool { return !modelToken.MatchString(name) }) {
		return ""
	}
	for _, name := range client {
		if slices.Contains(server, name) {
			return name
		}
	}
	return ""
}

// modelSplitOrigin returns scheme, host and port, in lower case.
func modelSplitOrigin(value string) (scheme, host, port string, ok bool) {
	parts := modelOrigin.FindStringSubmatch(value)
	if parts == nil || strings.HasSuffix(value, ":") {
		return "", "", "", false
	}
	scheme = strings.ToLower(parts[1])
	host, port, ok = modelHostPort(parts[2])
	if port == "" {
		port = map[string]string{"http": "80", "ws": "80", "https": "443", "wss": "443"}[scheme]
	}
	return scheme, strings.ToLower(host), port, ok
}

// modelAccepts decides about an Origin field that is there.
func modelAccepts(o Origins, value, authority string) bool {
	if o.Any {
		return true
	}
	scheme, host, port, ok := modelSplitOrigin(value)
	if !ok {
		return false
	}
	if o.Allow == nil {
		wantHost, wantPort, ok := modelHostPort(authority)
		web := slices.Contains([]string{"http", "https", "ws", "wss"}, scheme)
		if _, _, standard, _ := modelSplitOrigin(scheme + "://x"); wantPort == "" {
			wantPort = standard
		}
		return ok && web && host == strings.ToLower(wantHost) && port == wantPort
	}
	return slices.ContainsFunc(o.Allow, func(pattern string) bool {
		wantScheme, rest, _ := strings.Cut(strings.ToLower(pattern), "://")
		rest, wild := strings.CutPrefix(rest, "*.")
		wantScheme, wantHost, wantPort, ok := modelSplitOrigin(wantScheme + "://" + rest)
		if !ok || scheme != wantScheme || port != wantPort {
			return false
		}
		if !wild {
			return host == wantHost
		}
		labels, under := strings.CutSuffix(host, wantHost)
		return under && modelLabels.MatchString(labels)
	})
}
