package server

import (
	"fmt"
	"io"
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

// Rows A11, H14: chunks in a first request change nothing. In a later one they are the
// last of the connection: what another parser could take for a request of its own is
// served by nobody, whether or not a length said otherwise.
func TestChunksEndAKeptConnection(t *testing.T) {
	watch(t)
	st := start(t, Handler{OnMessage: echo}, Config{HTTP: pages()})
	const (
		get    = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
		chunks = "POST /copy HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
		both   = "POST /copy HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	)
	for send, want := range map[string][]string{
		chunks + get + get: {"hello", "hello ", "hello "},
		get + chunks + get: {"hello ", "hello"},
		get + both + get:   {"hello ", "hello"},
	} {
		c := st.dial()
		fmt.Fprint(c, send)
		for i, prefix := range want {
			res := c.response()
			if got := body(res); res.StatusCode != 200 || !strings.HasPrefix(got, prefix) {
				t.Fatalf("response %d is %s %q, want %q", i, res.Status, got, prefix)
			}
			if res.Close != (i == 1 && len(want) == 2) {
				t.Errorf("response %d closes: %v", i, res.Close)
			}
		}
		if len(want) == 2 {
			if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
				t.Errorf("behind the chunks came %q, %v", rest, err)
			}
		}
		c.Close()
	}
}
