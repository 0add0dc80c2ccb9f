package push

import (
	"errors"
	"fmt"
	"slices"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push/internal/rawjson"
)

// signedIn is who a connection is signed in as.
type signedIn struct {
	identity
	watchlist []string
}

// signIn serves pusher:signin. A connection that fails to prove who its user is
// is of no use to that user, and is closed.
func (h *Hub) signIn(s *session, data JSON) {
	auth, userData, err := parseSignIn(data)
	if err != nil {
		s.complain(err.Error())
		return
	}
	var b *bearer
	var no *refusal
	if text, ok := isToken(auth); ok {
		b, no = s.signInBy(text, userData)
	} else {
		b, no = h.signInSigned(s, auth, userData)
	}
	if no != nil {
		refuse(s.conn, no)
		return
	}
	switch now := s.user(); {
	case now == nil:
		if no := h.welcome(s, b.who, b.watchlist, b.userData); no != nil {
			refuse(s.conn, no)
		}
	case now.id == b.who.id: // a client that did not wait for the first answer
		_ = s.conn.SendUncompressed(server.Text, appendSignedIn(nil, b.userData))
	default:
		refuse(s.conn, &refusal{codeUnauthorised, "The connection is signed in as another user"})
	}
}

// signInSigned is who s signs in as by a signature of userData.
func (h *Hub) signInSigned(s *session, auth string, userData []byte) (*bearer, *refusal) {
	config := s.app.config.Load()
	id := h.socketID(s.conn)
	if !config.authorises(auth, id.String(), "", "user", "", string(userData)) {
		return nil, &refusal{codeUnauthorised, fmt.Sprintf("Invalid signature: expected the app key, a colon and the HMAC SHA256 hex digest of %s::user::<user_data>", id)}
	}
	who, watchlist, err := parseUserData(userData, &config.Limits)
	if err != nil {
		return nil, &refusal{codeUnauthorised, "Invalid " + err.Error()}
	}
	return &bearer{who: who, watchlist: watchlist, userData: userData}, nil
}

// welcome makes s a connection of its user, or says why not.
func (h *Hub) welcome(s *session, who *identity, watchlist []string, userData []byte) *refusal {
	tooMany := len(watchlist) > MaxWatchlist
	if tooMany {
		watchlist = slices.Clone(watchlist[:MaxWatchlist])
	}
	slices.Sort(watchlist)
	watchlist = slices.Compact(watchlist)
	user := &signedIn{*who, watchlist}
	if !h.vouched.take(user.most(), &h.vouched.users) {
		return &refusal{codeOverCapacity, overVouched}
	}
	s.rarely().user = user
	s.rarely().unauthorised = false
	online, offline := s.app.signIn(s, h.shards[s.conn.Loop()], who.id, watchlist)

	_ = s.conn.SendUncompressed(server.Text, appendSignedIn(nil, userData))
	if tooMany {
		s.tell(&refusal{codeWatchlistLimit, fmt.Sprintf("The watchlist has more than %d users: the first %d are watched", MaxWatchlist, MaxWatchlist)})
	}
	if len(watchlist) > 0 {
		_ = s.conn.SendUncompressed(server.Text, appendWatchlistEvents(nil, "online", online, "offline", offline))
	}
	return nil
}

// parseSignIn reads the data of pusher:signin. userData is nil when it is
// missing, as it may be beside a token.
func parseSignIn(data JSON) (auth string, userData []byte, err error) {
	var fields [2]JSON
	err = pick(fields[:], data, "auth", "user_data")
	auth = string(fields[0].Bytes())
	if _, ok := isToken(auth); err == nil && ok && fields[1].Kind() == rawjson.Absent {
		return auth, nil, nil
	}
	if err == nil && (fields[0].Kind() != rawjson.String || fields[1].Kind() != rawjson.String) {
		err = errors.New("auth and user_data: expected strings")
	}
	if err != nil {
		return "", nil, fmt.Errorf("invalid pusher:signin: %w", err)
	}
	return auth, fields[1].Bytes(), nil
}

// appendSignedIn appends the answer: user_data, a string, within an object,
// within a string.
func appendSignedIn(b, userData []byte) []byte {
	data := rawjson.AppendQuote([]byte(`{"user_data":`), userData)
	data = append(data, '}')
	b = append(b, `{"event":"pusher:signin_success","data":`...)
	b = rawjson.AppendQuote(b, data)
	return append(b, '}')
}
