package push

import (
	"strings"

	"github.com/roost-ws/roost/server/push/internal/rawjson"
)

// MaxChannelName is the length of the longest channel name, in bytes.
const MaxChannelName = 200

// userPrefix begins the name of the channel on which a backend reaches one
// signed-in user, wherever they are connected. The user's id follows.
const userPrefix = "#server-to-user-"

// validChannelName reports whether name may name a channel that clients subscribe
// to. Such a name can be put between quotes in JSON as it is.
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

// userOf returns whose channel name is, if it is a user's.
func userOf(name string) (id string, ok bool) {
	id, ok = strings.CutPrefix(name, userPrefix)
	return id, ok && validUserID(id)
}

// appendChannel appends name as a JSON string.
func appendChannel(b []byte, name string) []byte {
	if strings.HasPrefix(name, userPrefix) { // ids of users may be anything
		return rawjson.AppendQuote(b, name)
	}
	b = append(b, '"')
	b = append(b, name...)
	return append(b, '"')
}

// channelKind is what a channel's name says about it.
type channelKind struct {
	private   bool // subscribing takes an authorisation signed with the app's secret
	presence  bool // private, and its members are known by name
	encrypted bool // private, and data is opaque to the server
	cache     bool // the last event is kept for new subscribers
	user      bool // one user's own; subscribing takes having signed in as that user
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
	} else if strings.HasPrefix(rest, userPrefix) {
		k.user = true
	}
	k.cache = strings.HasPrefix(rest, "cache-")
	return k
}
