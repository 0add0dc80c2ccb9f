package server

import (
	"fmt"
	"strings"
	"testing"
)

// Row U6: what net/http refuses by itself, on a connection that is kept, is counted
// like what is refused in a first request; what is served is not, nor who leaves between two.
func TestRefusalsOnKeptConnections(t *testing.T) {
	watch(t)
	st := start(t, Handler{OnMessage: echo}, Config{HTTP: pages()})
	for i, bad := range []string{
		"GET /hello HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n", "NONSENSE\r\n\r\n", "GET /hello HTTP/3.7\r\nHost: a\r\n\r\n",
		"GET /hello HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 16<<10) + "\r\n\r\n",
		"POST /copy HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: cow\r\n\r\n",
	} {
		leaves := st.dial()
		c := st.dial()
		for _, c := range []*client{leaves, c} {
			fmt.Fprint(c, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
			if res := c.response(); res.StatusCode != 200 || !strings.HasPrefix(body(res), "hello") {
				t.Fatalf("got %s", res.Status)
			}
		}
		leaves.Close()
		if got := st.Stats().Refusals["syntax"]; got != uint64(i) {
			t.Fatalf("%d refusals are counted before %.20q, want %d", got, bad, i)
		}
		fmt.Fprint(c, bad)
		if res := c.response(); res.StatusCode < 400 {
			t.Fatalf("%.20q got %s", bad, res.Status)
		}
		eventually(t, fmt.Sprintf("%.20q is counted", bad), func() bool { return st.Stats().Refusals["syntax"] == uint64(i+1) })
		c.Close()
	}
	eventually(t, "all are gone", func() bool { return st.Stats().HTTP == 0 })
	if got := st.Stats().Refusals["syntax"]; got != 5 {
		t.Errorf("%d refusals are counted when all are gone, want 5", got)
	}
}
