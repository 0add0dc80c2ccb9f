package api

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/roost-ws/roost/server/push"
)

// Handler serves the HTTP API of a hub's apps. Make one with New; its fields may
// be set before it serves.
type Handler struct {
	// PathPrefix stands before /apps/ in the paths that SDKs are configured with
	// and a proxy does not take away, such as "/pusher". It is part of what they sign.
	PathPrefix string
	// Fallback gets the requests that are not below /apps/. By default they get 404.
	// An http.ServeMux in front would do, too, but it redirects paths that are
	// not clean instead of refusing them.
	Fallback http.Handler

	hub *push.Hub
	now func() time.Time // but in tests, time.Now
}

// New returns the HTTP API of hub's apps.
func New(hub *push.Hub) *Handler {
	return &Handler{Fallback: http.NotFoundHandler(), hub: hub, now: time.Now}
}

// call is one call whose caller has proved to know the app's secret.
type call struct {
	hub    *push.Hub
	app    push.App
	params map[string]string // the query
	names  []string          // what stood in place of the * of the route
	body   []byte
}

// route is one call of the API. path begins below /apps/{id}; a * stands for
// any one segment.
type route struct {
	method string
	path   string
	body   func(*push.AppLimits) int64 // the most a body may have
	serve  func(*call) (reply []byte, err error)
}

var routes = []route{
	{http.MethodPost, "events", eventBody, (*call).postEvent},
}

// failure is an answer that is not 200. SDKs show its text to their users.
type failure struct {
	status int
	text   string
}

func (f *failure) Error() string { return f.text }

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The path is taken as it was sent: what it decodes to is not what was
	// signed, and a slash that is part of a name stays within its segment.
	path := r.URL.EscapedPath()
	rest, ok := strings.CutPrefix(path, h.PathPrefix+"/apps/")
	if !ok {
		h.Fallback.ServeHTTP(w, r)
		return
	}
	reply, err := h.serve(w, r, path, rest)
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(reply)
}

// serve answers the call at path, of which rest is what follows /apps/.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, path, rest string) (reply []byte, err error) {
	id, rest, _ := strings.Cut(rest, "/")
	rt, names, err := find(r.Method, rest)
	if err != nil {
		return nil, err
	}
	app, ok := h.hub.App(id)
	if !ok {
		return nil, &failure{http.StatusNotFound, "There is no app with this id"}
	}
	if app.Disabled {
		return nil, &failure{http.StatusForbidden, "The app is disabled"}
	}
	params, err := h.authenticate(&app, r.Method, path, r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	body, err := readBody(w, r, rt.body(&app.Limits))
	if err != nil {
		return nil, err
	}
	if err := checkBody(params["body_md5"], body); err != nil {
		return nil, err
	}
	return rt.serve(&call{hub: h.hub, app: app, params: params, names: names, body: body})
}

// find returns the route for a path below /apps/{id}/.
func find(method, path string) (rt *route, names []string, err error) {
	var allowed []string
	for i := range routes {
		names, ok := match(routes[i].path, path)
		if !ok {
			continue
		}
		if routes[i].method == method {
			return &routes[i], names, nil
		}
		allowed = append(allowed, routes[i].method)
	}
	if allowed != nil {
		return nil, nil, &failure{http.StatusMethodNotAllowed, "Here one may " + strings.Join(allowed, ", ")}
	}
	return nil, nil, &failure{http.StatusNotFound, "There is no such call"}
}

// match compares path with a pattern segment by segment.
func match(pattern, path string) (names []string, ok bool) {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return nil, false
	}
	for i := range want {
		switch {
		case want[i] == "*" && got[i] != "":
			names = append(names, got[i])
		case want[i] != got[i]:
			return nil, false
		}
	}
	return names, true
}

// readBody reads a body of at most limit bytes.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	// A few bytes can unfold into gigabytes, and no SDK compresses.
	if r.Header.Get("Content-Encoding") != "" {
		return nil, &failure{http.StatusUnsupportedMediaType, "Send the body without Content-Encoding"}
	}
	tooLarge := &failure{http.StatusRequestEntityTooLarge, "The body may have " + strconv.FormatInt(limit, 10) + " bytes"}
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close") // the rest is not worth reading
		return nil, tooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return nil, tooLarge
	}
	if err != nil {
		return nil, &failure{http.StatusBadRequest, "The body did not arrive: " + err.Error()}
	}
	return body, nil
}

// refuse answers with an error in plain text.
func refuse(w http.ResponseWriter, err error) {
	var f *failure
	if !errors.As(err, &f) {
		f = &failure{http.StatusInternalServerError, "Internal error"}
	}
	if f.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff") // the text may repeat what the caller sent
	w.WriteHeader(f.status)
	io.WriteString(w, f.text)
}
