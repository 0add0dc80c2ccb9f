package handshake

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// refusals is every answer of the package's own.
var refusals = []*Refusal{
	refuseSyntax, refuseHeadSize, refuseTargetSize, refuseHTTPVersion, refuseTarget, refuseHost, refuseFraming,
	refuseMethod, refuseMethodHead, refuseUpgradeHTTP, refuseBody, refuseUpgrade, refuseConnection,
	refuseVersions, refuseVersion, refuseKey, refuseOrigins, refuseOrigin, refuseAnswer,
}

// readResponse parses a whole response as a client would, and fails when bytes
// are left over or missing.
func readResponse(t *testing.T, method string, response []byte) (*http.Response, string) {
	t.Helper()
	br := bufio.NewReader(bytes.NewReader(response))
	r, err := http.ReadResponse(br, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%v: %q", err, response)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatalf("%v: %q", err, response)
	}
	if _, err := br.ReadByte(); !errors.Is(err, io.EOF) {
		t.Fatalf("bytes behind the response: %q", response)
	}
	return r, string(body)
}

// RFC 9112, 9.6: a refusal is a whole response with a fixed length, and the
// last one of its connection.
func TestRefusalIsWholeResponse(t *testing.T) {
	for _, refusal := range refusals {
		method := "GET"
		if refusal.bodiless {
			method = "HEAD"
		}
		r, body := readResponse(t, method, refusal.Append(nil))
		if r.StatusCode != refusal.Status || !r.Close || r.ContentLength < 0 || r.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%+v", r)
		}
		if body != refusal.Reason && !refusal.bodiless {
			t.Errorf("body %q", body)
		}
		for name := range refusal.Header {
			if r.Header.Get(name) != refusal.Header.Get(name) {
				t.Errorf("%s is %q", name, r.Header.Get(name))
			}
		}
		if refusal.Cause == CauseApplication || refusal.Cause >= causes {
			t.Errorf("%q counts as %d", refusal.Reason, refusal.Cause)
		}
	}
	for cause := range Cause(Causes) {
		if cause.String() == "" {
			t.Errorf("cause %d has no name", cause)
		}
	}
}

// An application's refusal: its fields are sent when they are sound, and cannot
// say where the response ends; its status is one that ends the request.
func TestRefusalOfApplication(t *testing.T) {
	refusal := Refusal{Status: 503, Reason: "busy\r\n\r\nHTTP/1.1 200 OK", Header: http.Header{
		"Retry-After":       {"120"},
		"Set-Cookie":        {"a=1", "b=2", "c=\r\nX: y"},
		"Content-Length":    {"0"},
		"Connection":        {"keep-alive"},
		"Transfer-Encoding": {"chunked"},
		"Content-Type":      {"text/html"},
		"X\r\nY":            {"z"},
		"X-Nul":             {"\x00"},
	}}
	r, body := readResponse(t, "GET", refusal.Append([]byte{}))
	if r.StatusCode != 503 || !r.Close || body != refusal.Reason {
		t.Fatalf("%+v", r)
	}
	want := map[string]string{"Retry-After": "120", "Set-Cookie": "a=1 b=2", "Content-Length": "23", "Content-Type": "text/plain; charset=utf-8", "Connection": "close"}
	for name, values := range r.Header {
		if got := strings.Join(values, " "); got != want[name] {
			t.Errorf("%s: %q", name, got)
		}
		delete(want, name)
	}
	delete(want, "Connection") // net/http takes it out
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
	for status, wantStatus := range map[int]int{0: 500, 101: 500, 200: 500, 299: 500, 302: 302, 404: 404, 499: 499, 599: 599, 600: 500, -1: 500} {
		if r, _ := readResponse(t, "GET", (&Refusal{Status: status}).Append(nil)); r.StatusCode != wantStatus {
			t.Errorf("%d was sent as %d", status, r.StatusCode)
		}
	}
}
