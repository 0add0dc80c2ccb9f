package api

import (
	"net/http"
	"net/url"
	"strings"
)

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

// match compares path with a pattern segment by segment. Names are decoded only
// after the path was cut up, so that a slash in one stays in it.
func match(pattern, path string) (names []string, ok bool) {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return nil, false
	}
	for i := range want {
		switch {
		case want[i] == "*" && got[i] != "":
			name, err := url.PathUnescape(got[i])
			if err != nil {
				return nil, false
			}
			names = append(names, name)
		case want[i] != got[i]:
			return nil, false
		}
	}
	return names, true
}
