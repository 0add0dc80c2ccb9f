package page

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
)

// The plugin for pusher-js, for people and for browsers. The second is made of
// the first by the command that cmd/roost's TestPluginIsMinified runs.
var (
	//go:embed roost.js
	plugin []byte
	//go:embed roost.min.js
	pluginMin []byte
)

// script serves a file that pages of any origin may load.
func script(text []byte) http.HandlerFunc {
	sum := sha256.Sum256(text)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Access-Control-Allow-Origin", "*") // for integrity= and import
		w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
		w.Header().Set("Cache-Control", "public, max-age=300")
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Write(text)
	}
}
