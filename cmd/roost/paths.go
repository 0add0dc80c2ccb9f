package main

import (
	"net/http"
	"path"
)

// cleanPaths refuses what is not written as simply as it could be, such as
// //apps/1/events. A mux answers that with a redirect, which backends do not follow
// and their signatures do not survive.
func cleanPaths(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		clean := path.Clean(r.URL.Path)
		if r.URL.Path != clean && r.URL.Path != clean+"/" {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
