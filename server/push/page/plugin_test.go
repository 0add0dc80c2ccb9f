package page

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// pluginBytesMax is what a page pays for the plugin, before compression.
const pluginBytesMax = 2 << 10

// Pages of other origins load the plugin: it is a script, small, and fetched
// anew only when it has changed.
func TestPlugin(t *testing.T) {
	_, h := newPage(t, Config{})
	for _, path := range []string{"/roost.js", "/roost.min.js"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		header := w.Header()
		if w.Code != 200 || !strings.Contains(w.Body.String(), "createWebSocket") ||
			!strings.HasPrefix(header.Get("Content-Type"), "text/javascript") || header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %v", path, w.Code, header)
		}
		if path == "/roost.min.js" && w.Body.Len() > pluginBytesMax {
			t.Errorf("the plugin has %d bytes, at most %d were promised", w.Body.Len(), pluginBytesMax)
		}
		again := httptest.NewRequest("GET", path, nil)
		again.Header.Set("If-None-Match", header.Get("ETag"))
		w = httptest.NewRecorder()
		h.ServeHTTP(w, again)
		if w.Code != 304 || w.Body.Len() != 0 {
			t.Errorf("%s a second time: %d, %d bytes", path, w.Code, w.Body.Len())
		}
	}
}
