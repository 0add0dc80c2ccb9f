package webhook

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A13: what a customer writes into a URL reaches the Internet and nothing else.
func TestNetworksRefused(t *testing.T) {
	for _, text := range strings.Fields(`
		0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 168.63.129.16
		169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.192 192.168.1.1 198.18.0.1 224.0.0.1 239.255.255.255
		240.0.0.1 255.255.255.255
		:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:10.0.0.1 64:ff9b::127.0.0.1 64:ff9b::a9fe:a9fe
		64:ff9b:1::1 2001::1 2001:db8::1 2002:7f00:1:: 2002:a9fe:a9fe:: fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1
	`) {
		if mayReach(netip.MustParseAddr(text), nil) {
			t.Errorf("%s may be reached", text)
		}
	}
	for _, text := range strings.Fields(`
		1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255 169.255.0.0
		172.15.255.255 172.32.0.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255
		2606:4700::1111 2a00:1450:4001::1 64:ff9b::1.1.1.1 ::ffff:1.1.1.1
	`) {
		if !mayReach(netip.MustParseAddr(text), nil) {
			t.Errorf("%s may not be reached", text)
		}
	}
	if mayReach(netip.Addr{}, nil) {
		t.Error("no address at all may be reached")
	}
}

func TestNetworksAllowed(t *testing.T) {
	allowed := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/32")}
	for text, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "64:ff9b::10.1.2.3": true, "fd00:1::5": true,
		"10.2.0.1": false, "::ffff:10.2.0.1": false, "fd00:2::5": false, "127.0.0.1": false,
	} {
		if got := mayReach(netip.MustParseAddr(text), allowed); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// postTo makes one attempt for real.
func postTo(t *testing.T, url string, config Config) error {
	t.Helper()
	config, err := config.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	s := &Sender{config: config, client: newClient(&config)}
	defer s.client.CloseIdleConnections()
	return s.post(context.Background(), request{url: url, key: appKey, secret: appSecret, headers: http.Header{}, body: []byte("{}")})
}

// The address is looked at when it is dialled, whatever name it hides behind.
func TestDialChecksTheAddress(t *testing.T) {
	var reached atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer server.Close()
	port := server.URL[strings.LastIndex(server.URL, ":"):]
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "127.1.2.3", "0.0.0.0"} {
		err := postTo(t, "http://"+host+port, Config{})
		if err == nil || !strings.Contains(err.Error(), errRefused.Error()) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if reached.Load() != 0 {
		t.Error("a request came through")
	}
	if err := postTo(t, server.URL, Config{AllowNetworks: loopback}); err != nil || reached.Load() != 1 {
		t.Errorf("an allowed network: %v, %d requests", err, reached.Load())
	}
}

// A proxy of the environment would dial for us, and check nothing.
func TestNoProxy(t *testing.T) {
	transport := newClient(&Config{}).Transport.(*http.Transport)
	if transport.Proxy != nil {
		t.Error("the transport asks for a proxy")
	}
}

// A redirect is an answer that is no 2xx: it leads nowhere.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var followed atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/end" {
			followed.Add(1)
			return
		}
		http.Redirect(w, r, "/end", http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	err := postTo(t, server.URL, Config{AllowNetworks: loopback})
	if err == nil || err.Error() != "the answer was 307 Temporary Redirect" || followed.Load() != 0 {
		t.Errorf("%v, followed %d times", err, followed.Load())
	}
}

// "101 Switching Protocols" leaves a connection without an end behind: it is no
// success, and nobody waits for it. The timeout does not reach so far.
func TestSwitchingProtocolsIsNoAnswer(t *testing.T) {
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, out, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		out.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		out.Flush()
		<-stop
	}))
	defer server.Close()
	defer close(stop)
	answered := make(chan error, 1)
	go func() {
		answered <- postTo(t, server.URL, Config{AllowNetworks: loopback, AttemptTimeout: patience / 10})
	}()
	select {
	case err := <-answered:
		if err == nil || err.Error() != "the answer was 101 Switching Protocols" {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("the attempt goes on")
	}
}

// An answer may not cost more than an answer: neither header, nor body, nor time.
func TestAnswersAreBounded(t *testing.T) {
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/header":
			w.Header().Set("X-Long", strings.Repeat("x", 2*answerHeader))
		case "/body": // far more than anybody reads, and it never ends
			chunk := make([]byte, answerBody)
			for range 2 {
				w.Write(chunk)
				w.(http.Flusher).Flush()
			}
			<-stop
		case "/silence":
			<-stop
		}
	}))
	defer server.Close()
	defer close(stop)
	if err := postTo(t, server.URL+"/header", Config{AllowNetworks: loopback}); err == nil {
		t.Error("a header over the limit was read")
	}
	if err := postTo(t, server.URL+"/body", Config{AllowNetworks: loopback, AttemptTimeout: patience}); err != nil {
		t.Errorf("a body over the limit: %v", err)
	}
	err := postTo(t, server.URL+"/silence", Config{AllowNetworks: loopback, AttemptTimeout: 50 * time.Millisecond})
	if err == nil || reasonOf(err) != "no answer in time" {
		t.Errorf("silence: %v", err)
	}
}
