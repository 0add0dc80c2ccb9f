package push

import (
	"net/http"
	"slices"
	"strings"

	"github.com/roost-ws/roost/server"
)

// streamRequest is a request for server-sent events that was admitted:
//
//	GET /app/{key}/sse?channels=a,b&auth=jwt:<token>
//
// Names that have a comma in them stand in parameters "channel" of their own.
type streamRequest struct {
	app      *app
	bearer   *bearer // nil without a token
	channels []string
	from     []string // for each channel, where the client was; "" when it does not say
}

// MaxStreamHistory is how many of a stream's channels may have history, if there
// are others: the id of every event then says where all of them are.
const MaxStreamHistory = 32

// streamRefusal is why a client gets no stream.
type streamRefusal struct {
	status  int
	message string
}

// isStream returns the key of the app of which path asks for a stream.
func isStream(path string) (key string, ok bool) {
	i := strings.LastIndex(path, "/app/") // whatever stands before it is a proxy's business
	if i < 0 {
		return "", false
	}
	return strings.CutSuffix(path[i+len("/app/"):], "/sse")
}

// onStream answers requests for server-sent events. Unlike those for a WebSocket
// they can be answered with a status, which every client can read.
func (h *Hub) onStream(r *server.Request) (*server.Stream, *server.Refusal) {
	key, ok := isStream(r.Path())
	if !ok {
		return nil, nil
	}
	header := http.Header{"Cache-Control": {"no-store"}, "X-Accel-Buffering": {"no"}}
	req, no := h.admitStream(key, r, header)
	if no == nil {
		var full *refusal
		switch user := req.user(); {
		case !h.further.has(len(req.channels) - 1):
			full = &refusal{codeOverCapacity, overSubscribed}
		case user != nil && !h.vouched.has(user.most(), &h.vouched.users):
			full = &refusal{codeOverCapacity, overVouched}
		default:
			full = h.enter(req.app)
		}
		if full != nil {
			header.Set("Retry-After", "10")
			no = &streamRefusal{http.StatusServiceUnavailable, full.message}
		}
	}
	if no != nil {
		return nil, &server.Refusal{Status: no.status, Reason: no.message + ".", Header: header}
	}
	r.SetValue(req)
	return &server.Stream{ContentType: "text/event-stream", Header: header}, nil
}

// admitStream reads a request for a stream. The answer's header says which pages
// may see it.
func (h *Hub) admitStream(key string, r *server.Request, header http.Header) (*streamRequest, *streamRefusal) {
	a := h.apps.Load().byKey[key]
	if a == nil {
		header.Set("Access-Control-Allow-Origin", "*")
		return nil, &streamRefusal{http.StatusNotFound, "Application does not exist: there is no app with this key"}
	}
	config := a.config.Load()
	if no := config.welcomes(r.Header("Origin"), r.Header("X-Forwarded-Proto"), r.TLS() != nil); no != nil {
		return nil, &streamRefusal{http.StatusForbidden, no.message}
	}
	config.allowOrigin(header, r.Header("Origin"))
	if config.Disabled {
		return nil, &streamRefusal{http.StatusForbidden, "Application disabled"}
	}
	query := r.Query()
	req := &streamRequest{app: a, channels: slices.Clone(query["channel"])}
	for _, list := range query["channels"] {
		req.channels = append(req.channels, strings.Split(list, ",")...)
	}
	if no := req.identify(query.Get("auth"), r.Header("Authorization")); no != nil {
		return nil, no
	}
	if no := req.check(config); no != nil {
		return nil, no
	}
	from := r.Header("Last-Event-ID")
	if from == "" {
		from = query.Get("last_event_id")
	}
	req.from = slices.Repeat([]string{""}, len(req.channels))
	copy(req.from, strings.Split(from, ","))
	return req, nil
}

// user is whose stream it is, or nil.
func (req *streamRequest) user() *signedIn {
	if req.bearer == nil || req.bearer.who == nil {
		return nil
	}
	return &signedIn{identity: *req.bearer.who}
}

// allowOrigin lets scripts of the page that asks see the answer.
func (a *App) allowOrigin(header http.Header, origin string) {
	switch {
	case len(a.Origins) == 0:
		header.Set("Access-Control-Allow-Origin", "*")
	case origin != "":
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Vary", "Origin")
	}
}

// identify reads the token, if there is one. A signature for a connection cannot
// be: there is no socket_id before there is a connection.
func (req *streamRequest) identify(auth, authorization string) *streamRefusal {
	text, ok := isToken(auth)
	if scheme, credentials, _ := strings.Cut(authorization, " "); auth == "" && strings.EqualFold(scheme, "Bearer") {
		text, ok = strings.TrimSpace(credentials), true
	}
	if !ok {
		if auth != "" {
			return &streamRefusal{http.StatusUnauthorized, "auth: a stream takes a token, jwt:<token>"}
		}
		return nil
	}
	b, err := req.app.verify(text)
	if err != nil {
		return &streamRefusal{http.StatusUnauthorized, "Invalid token: " + err.Error()}
	}
	req.bearer = b
	return nil
}

// check says which of the channels is not for the client.
func (req *streamRequest) check(config *App) *streamRefusal {
	if n, limit := len(req.channels), config.Limits.ChannelsPerConnection; n == 0 || n > limit {
		return &streamRefusal{http.StatusBadRequest, "channels: name at least one, and no more than the app allows for a connection"}
	}
	authorised := req.bearer != nil && req.bearer.who != nil
	histories := 0
	for i, name := range req.channels {
		if no := req.checkChannel(name); no != nil {
			return no
		}
		if slices.Contains(req.channels[:i], name) {
			return &streamRefusal{http.StatusBadRequest, "channels: one is there twice"}
		}
		authorised = authorised || kindOf(name).private
		if config.historyRule(name) != nil {
			histories++
		}
	}
	switch {
	case histories > MaxStreamHistory:
		return &streamRefusal{http.StatusBadRequest, "channels: too many of them have history"}
	case !authorised && config.AuthorisedWithin > 0:
		return &streamRefusal{http.StatusUnauthorized, "The app takes no connections without a user or a private channel"}
	}
	return nil
}

// checkChannel says why the client may not follow a channel.
func (req *streamRequest) checkChannel(name string) *streamRefusal {
	kind := kindOf(name)
	owner, own := userOf(name)
	switch {
	case kind.user && own && req.bearer != nil && req.bearer.who != nil && req.bearer.who.id == owner:
		return nil
	case kind.user:
		return &streamRefusal{http.StatusForbidden, "A user's own channel takes a token that names the user"}
	case !validChannelName(name):
		return &streamRefusal{http.StatusBadRequest, "channels: a name has 1 to 200 of the characters a-z A-Z 0-9 _ - = @ , . ;"}
	case kind.presence:
		// Members are there to be seen and to see; a stream is for listening.
		return &streamRefusal{http.StatusBadRequest, "channels: a presence channel takes a WebSocket"}
	case kind.private && req.bearer == nil:
		return &streamRefusal{http.StatusUnauthorized, "A private channel takes a token"}
	case kind.private && !req.bearer.claims.Permits(name):
		return &streamRefusal{http.StatusForbidden, "The token does not permit one of the channels"}
	}
	return nil
}

// streamsToo lets next serve what is no request for a stream. Such a request gets
// here on a connection that net/http already has, and is taken over.
func (h *Hub) streamsToo(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch key, ok := isStream(r.URL.Path); {
		case !ok:
			next.ServeHTTP(w, r)
		case r.Method == http.MethodOptions:
			h.preflight(w, r, key)
		case r.Method != http.MethodGet:
			w.Header().Set("Allow", http.MethodGet)
			http.Error(w, "A stream is asked for with GET.", http.StatusMethodNotAllowed)
		case !r.ProtoAtLeast(1, 1):
			http.Error(w, "A stream takes HTTP/1.1.", http.StatusHTTPVersionNotSupported)
		case r.ContentLength != 0:
			http.Error(w, "A request for a stream has no body.", http.StatusBadRequest)
		default:
			_ = h.server.Upgrade(w, r) // it has answered when it fails
		}
	})
}

// preflight tells browsers that a page's script may send what EventSource sends
// of itself, and a token where logs do not show it. Fetch, 3.3.2.
func (h *Hub) preflight(w http.ResponseWriter, r *http.Request, key string) {
	origin := r.Header.Get("Origin")
	if a := h.apps.Load().byKey[key]; a != nil && a.config.Load().allows(origin) {
		a.config.Load().allowOrigin(w.Header(), origin)
		w.Header().Set("Access-Control-Allow-Headers", "Authorization, Cache-Control, Last-Event-ID")
		w.Header().Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
}
