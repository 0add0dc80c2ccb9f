package main

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/roost-ws/roost/bench/testcert"
	"github.com/roost-ws/roost/bench/torture"
)

// pemFiles is a certificate of its own signature, with its key, in two files.
type pemFiles struct{ cert, key string }

// newPEM makes one for names, which replaces what is there: key first, as a
// careless script may.
func newPEM(t testing.TB, dir, name string, names ...string) pemFiles {
	t.Helper()
	cert, key := testcert.PEM(testcert.SelfSigned(append(names, "127.0.0.1")...))
	f := pemFiles{filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")}
	for path, text := range map[string][]byte{f.key: key, f.cert: cert} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// trust is a configuration of a client that knows the certificate.
func (f pemFiles) trust(t testing.TB, name string) *tls.Config {
	t.Helper()
	text, err := os.ReadFile(f.cert)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return &tls.Config{RootCAs: pool, ServerName: name}
}

// The package ws of Node over wss, step by step, with a certificate that it checks.
func TestTLSNodeWS(t *testing.T) {
	f := newPEM(t, t.TempDir(), "a", "localhost")
	p := startEcho(t, "--tls-cert", f.cert, "--tls-key", f.key)
	n := startNode(t, []string{"NODE_EXTRA_CA_CERTS=" + f.cert}, "ws.js", "wss://"+p.addr)
	defer n.close()
	select {
	case <-n.done:
	case <-time.After(patience):
		n.cmd.Process.Kill()
		<-n.done
		t.Error("ws.js did not end")
	}
	if steps := len(n.said.all()); !n.cmd.ProcessState.Success() || steps != 6 {
		t.Errorf("ws.js: %v after %d of 6 steps: %s", n.cmd.ProcessState, steps, n.said.all())
	}
}

// One port serves everything over TLS: the HTTP API to an official SDK, the page
// and wss to Chromium, and pusher-js with forceTLS in both places.
func TestTLSPush(t *testing.T) {
	f := newPEM(t, t.TempDir(), "a", "localhost")
	t.Setenv("NODE_EXTRA_CA_CERTS", f.cert)
	p := startServe(t, "--demo", "--tls-cert", f.cert, "--tls-key", f.key)
	clients := make(map[string]*watcher)
	for place, in := range places {
		options := clientOptions(p)
		options["wssPort"], options["forceTLS"], options["enabledTransports"] = options["wsPort"], true, []string{"ws", "wss"}
		clients[place] = in(t, pusherJS, map[string]any{"key": appKey, "options": options})
		clients[place].connected()
		clients[place].subscribe("news")
	}
	sdk := newSDK(p)
	sdk.Secure = true
	sdk.HTTPClient = &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: f.trust(t, "localhost")}}
	if err := sdk.Trigger("news", "by-https", "x"); err != nil {
		t.Fatal(err)
	}
	for _, c := range clients {
		c.event("news", "by-https")
	}
	page := chromium(t).open(t, "https://"+p.addr+"/")
	page.wait(t, `document.getElementById('state').textContent === 'connected'`)
	page.quiet(t)
}

// SNI: of several certificates a client gets the one for the name it asks for,
// and the first for any other.
func TestTLSCertificateByName(t *testing.T) {
	dir := t.TempDir()
	a, b := newPEM(t, dir, "a", "a.test"), newPEM(t, dir, "b", "b.test", "*.b.test")
	p := startEcho(t, "--tls-cert", a.cert+","+b.cert, "--tls-key", a.key+","+b.key)
	for name, want := range map[string]string{"a.test": "a.test", "b.test": "b.test", "x.b.test": "b.test", "other.test": "a.test", "": "a.test"} {
		conn, err := tls.Dial("tcp", p.addr, &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if got := conn.ConnectionState().PeerCertificates[0].DNSNames[0]; got != want {
			t.Errorf("for %q the certificate of %s was served", name, got)
		}
		conn.Close()
	}
}

// L12: while clients connect without a pause, certificates change a hundred
// times. No handshake fails, nobody is disconnected, the new one is served
// within the time that is promised, and files that do not fit change nothing.
func TestTLSReload(t *testing.T) {
	dir := t.TempDir()
	f := newPEM(t, dir, "a", "localhost")
	p := startEcho(t, "--admin", "127.0.0.1:0", "--tls-cert", f.cert, "--tls-key", f.key)
	p.watched(torture.Options{URL: "wss://" + p.addr + "/", Insecure: true},
		torture.Excuses{"U5/log": "each of the hundred certificates, which no client brings, has its line"})
	dialer := gorilla.Dialer{TLSClientConfig: f.trust(t, "localhost")}
	old, _, err := dialer.Dial("wss://"+p.addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()

	var stop atomic.Bool
	var load sync.WaitGroup
	for range 3 {
		load.Go(func() {
			for !stop.Load() {
				conn, err := tls.Dial("tcp", p.addr, &tls.Config{InsecureSkipVerify: true})
				if err != nil {
					t.Errorf("a handshake failed: %v", err)
					return
				}
				conn.Close()
			}
		})
	}
	for range 99 {
		newPEM(t, dir, "a", "localhost")
		p.cmd.Process.Signal(syscall.SIGHUP)
		time.Sleep(5 * time.Millisecond)
	}
	last := newPEM(t, dir, "a", "localhost") // found without a signal
	p.serves(t, last)
	stop.Store(true)
	load.Wait()

	if err := os.WriteFile(f.key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.log.await(t, "word of the files that do not fit", func(r record) bool {
		text, _ := r["err"].(string)
		return r["level"] == "ERROR" && strings.Contains(text, f.key)
	})
	p.serves(t, last)
	if err := old.WriteMessage(gorilla.TextMessage, []byte("still here")); err != nil {
		t.Fatal(err)
	}
	if _, b, err := old.ReadMessage(); err != nil || string(b) != "still here" {
		t.Errorf("the connection from before got %q, %v", b, err)
	}
}

// serves waits until new connections get the certificate.
func (p *program) serves(t *testing.T, f pemFiles) {
	t.Helper()
	cfg := f.trust(t, "localhost")
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		var conn *tls.Conn
		if conn, err = tls.Dial("tcp", p.addr, cfg); err == nil {
			conn.Close()
			return
		}
	}
	t.Fatalf("the certificate is not served: %v", err)
}

// What is wrong with the files is said before the program starts.
func TestTLSFlags(t *testing.T) {
	dir := t.TempDir()
	a, b := newPEM(t, dir, "a", "a.test"), newPEM(t, dir, "b", "b.test")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--tls-cert", a.cert}, "--tls-cert names 1 files and --tls-key 0"},
		{[]string{"--tls-cert", a.cert, "--tls-key", b.key}, b.key + ": tls: private key does not match public key"},
		{[]string{"--tls-cert", a.cert + "," + dir + "/none", "--tls-key", a.key + "," + b.key}, "no such file"},
		{[]string{"--tls-cert", a.cert + ",", "--tls-key", a.key}, "names no file between two commas"},
	} {
		out := command(t, nil, append([]string{"echo", "--listen", "127.0.0.1:0"}, c.args...)...)
		if out.code != exitUsage || !strings.Contains(out.stderr, c.want) {
			t.Errorf("%q: code %d and %q, want %q", c.args, out.code, out.stderr, c.want)
		}
	}
}

// Files that a configuration file names are beside it.
func TestTLSConfigFile(t *testing.T) {
	dir := t.TempDir()
	f := newPEM(t, dir, "a", "localhost")
	path := filepath.Join(dir, "roost.toml")
	text := "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"off\"\ntls_cert = \"a.pem\"\ntls_key = \"a.key\"\n\n[[apps]]\nid = \"1\"\nkey = \"k\"\nsecret = \"s\"\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, nil, "serve", "--config", path)
	p.serves(t, f)
}
