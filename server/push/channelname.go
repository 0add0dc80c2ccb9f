package push

import "strings"

// MaxChannelName is the length of the longest channel name, in bytes.
const MaxChannelName = 200

// validChannelName reports whether name may name a channel. A valid name can be
// put between quotes in JSON as it is.
func validChannelName(name string) bool {
	if len(name) == 0 || len(name) > MaxChannelName {
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("-_=@,.;", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// channelKind is what a channel's name says about it.
type channelKind struct {
	private   bool // subscribing takes an authorisation signed with the app's secret
	presence  bool // private, and its members are known by name
	encrypted bool // private, and data is opaque to the server
	cache     bool // the last event is kept for new subscribers
}

// kindOf reads the prefixes of a channel's name.
func kindOf(name string) (k channelKind) {
	rest := name
	if after, ok := strings.CutPrefix(rest, "private-"); ok {
		k.private, rest = true, after
		if after, ok = strings.CutPrefix(rest, "encrypted-"); ok {
			k.encrypted, rest = true, after
		}
	} else if after, ok := strings.CutPrefix(rest, "presence-"); ok {
		k.private, k.presence, rest = true, true, after
	}
	k.cache = strings.HasPrefix(rest, "cache-")
	return k
}
