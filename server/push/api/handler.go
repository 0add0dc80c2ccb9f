package api

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/internal/rate"
)

// Handler serves the HTTP API of a hub's apps. Make one with New; its fields may
// be set before it serves.
type Handler struct {
	// PathPrefix may stand before the path of any request, such as "/pusher" where a
	// proxy sends everything below that here and does not take it away. Most SDKs that
	// can be told of a prefix do not sign it, so a call's signature may be with it or
	// without, whether or not it arrives with it.
	PathPrefix string
	// Fallback gets the requests that are not below /apps/. By default they get 404.
	// An http.ServeMux in front would do, too, but it redirects paths that are
	// not clean instead of refusing them.
	Fallback http.Handler
	// Calls is how many calls may be under way; more get 503. Default 512.
	Calls int
	// BodyTimeout is how long a body may take to arrive. Default 10 s.
	BodyTimeout time.Duration

	hub *push.Hub
	now func() time.Time // but in tests, time.Now

	refused refusals

	mu      sync.Mutex
	calls   int                // under way, guarded by mu
	callers map[string]*caller // by app, guarded by mu
}

// caller is what is remembered of the calls of one app.
type caller struct {
	rate  rate.Rate // guarded by the handler's mu, as are stats
	stats CallStats
	once  repeats
}

const (
	defaultCalls       = 512
	defaultBodyTimeout = 10 * time.Second
)

// New returns the HTTP API of hub's apps.
func New(hub *push.Hub) *Handler {
	return &Handler{Fallback: http.NotFoundHandler(), hub: hub, now: time.Now, callers: make(map[string]*caller)}
}

// call is one call whose caller has proved to know the app's secret.
type call struct {
	hub    *push.Hub
	app    push.App
	params map[string]string // the query
	names  []string          // what stood in place of the * of the route, decoded
	body   []byte
	ids    string // of what was published, for the header Roost-Id; empty when nothing has one
}

// route is one call of the API. path begins below /apps/{id}; a * stands for
// any one segment.
type route struct {
	method string
	path   string
	body   func(*push.AppLimits) int64 // the most a body may have
	serve  func(*call) (reply []byte, err error)
	status int // of success; 0: 200
}

var routes = []route{
	{method: http.MethodPost, path: "events", body: eventBody, serve: (*call).postEvent},
	{method: http.MethodPost, path: "batch_events", body: batchBody, serve: (*call).postBatch},
	{method: http.MethodGet, path: "channels", body: smallBody, serve: (*call).getChannels},
	{method: http.MethodGet, path: "channels/*", body: smallBody, serve: (*call).getChannel},
	{method: http.MethodGet, path: "channels/*/users", body: smallBody, serve: (*call).getUsers},
	{method: http.MethodGet, path: "channels/*/history", body: smallBody, serve: (*call).getHistory},
	{method: http.MethodPost, path: "users/*/terminate_connections", body: smallBody, serve: (*call).terminate},
	// What SDKs of long ago call.
	{method: http.MethodPost, path: "channels/*/events", body: eventBody, serve: (*call).postToChannel, status: http.StatusAccepted},
	{method: http.MethodGet, path: "channels/*/stats", body: smallBody, serve: (*call).getChannel},
}

// smallBody is for calls whose body says nothing.
func smallBody(*push.AppLimits) int64 { return 1 << 10 }

// failure is an answer that is not 200. SDKs show its text to their users.
type failure struct {
	status int
	text   string
}

func (f *failure) Error() string { return f.text }

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The path is taken as it was sent: what it decodes to is not what was
	// signed, and a slash that is part of a name stays within its segment.
	path, fallback := r.URL.EscapedPath(), h.Fallback
	if below, ok := strings.CutPrefix(path, h.PathPrefix); ok && strings.HasPrefix(below, "/") {
		path, fallback = below, http.StripPrefix(h.PathPrefix, fallback)
	}
	rest, ok := strings.CutPrefix(path, "/apps/")
	if !ok {
		fallback.ServeHTTP(&counted{ResponseWriter: w, refused: &h.refused}, r)
		return
	}
	reply, status, err := h.serve(w, r, path, rest)
	if err != nil {
		h.refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(reply)
}

// serve answers the call at path, of which rest is what follows /apps/.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, path, rest string) (reply []byte, status int, err error) {
	id, rest, _ := strings.Cut(rest, "/")
	rt, names, err := find(r.Method, rest)
	if err != nil {
		return nil, 0, err
	}
	app, ok := h.hub.App(id)
	if !ok {
		return nil, 0, &failure{http.StatusNotFound, "There is no app with this id"}
	}
	if app.Disabled {
		return nil, 0, &failure{http.StatusForbidden, "The app is disabled"}
	}
	params, err := h.authenticate(&app, r.Method, path, r.URL.RawQuery)
	if err != nil {
		return nil, 0, err
	}
	from, err := h.admit(&app)
	if err != nil {
		return nil, 0, err
	}
	var body []byte
	defer func() { h.done(from, len(body), len(reply)) }()
	body, err = h.readBody(w, r, rt.body(&app.Limits))
	if err != nil {
		return nil, 0, err
	}
	if err := checkBody(params["body_md5"], body); err != nil {
		return nil, 0, err
	}
	c := &call{hub: h.hub, app: app, params: params, names: names, body: body}
	if key := r.Header.Get("Idempotency-Key"); key != "" && rt.method == http.MethodPost {
		reply, err = from.once.do(r.Context(), h.now(), c, path, key, rt.serve)
	} else {
		reply, err = rt.serve(c)
	}
	if c.ids != "" && err == nil {
		w.Header().Set("Roost-Id", c.ids)
	}
	return reply, cmp.Or(rt.status, http.StatusOK), err
}

// admit lets a call of an app in, if it is not too many. Calls of strangers do not
// get here and use up nobody's allowance.
func (h *Handler) admit(app *push.App) (*caller, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.calls >= cmp.Or(h.Calls, defaultCalls) {
		return nil, &failure{http.StatusServiceUnavailable, "Too many calls at the same time: try again"}
	}
	from := h.callers[app.ID]
	if from == nil {
		from = &caller{}
		h.callers[app.ID] = from
	}
	from.stats.Calls++
	if perSecond := app.Limits.CallsPerSecond; perSecond > 0 && !from.rate.Take(h.now(), perSecond) {
		from.stats.TooMany++
		return nil, &failure{http.StatusTooManyRequests, "Too many calls: app " + app.ID + " may make " + strconv.Itoa(perSecond) + " in a second"}
	}
	h.calls++
	return from, nil
}

// readBody reads a body of at most limit bytes.
func (h *Handler) readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	// A few bytes can unfold into gigabytes, and no SDK compresses.
	if r.Header.Get("Content-Encoding") != "" {
		return nil, &failure{http.StatusUnsupportedMediaType, "Send the body without Content-Encoding"}
	}
	tooLarge := &failure{http.StatusRequestEntityTooLarge, "The body may have " + strconv.FormatInt(limit, 10) + " bytes"}
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close") // the rest is not worth reading
		return nil, tooLarge
	}
	// Not every ResponseWriter can; then the server's own timeout holds.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(cmp.Or(h.BodyTimeout, defaultBodyTimeout)))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return nil, tooLarge
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.Header().Set("Connection", "close") // nobody waits for the rest
		return nil, &failure{http.StatusRequestTimeout, "The body took too long to arrive"}
	}
	if err != nil {
		return nil, &failure{http.StatusBadRequest, "The body did not arrive: " + err.Error()}
	}
	return body, nil
}

// refuse answers with an error in plain text.
func (h *Handler) refuse(w http.ResponseWriter, err error) {
	var f *failure
	if !errors.As(err, &f) {
		f = &failure{http.StatusInternalServerError, "Internal error"}
	}
	if f.status == http.StatusServiceUnavailable || f.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff") // the text may repeat what the caller sent
	h.refused.count(f.status)
	w.WriteHeader(f.status)
	io.WriteString(w, f.text)
}
