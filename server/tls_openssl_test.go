package server

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// openssl runs its client, and types a line a number of times: a K asks for new
// keys on both sides, an R to renegotiate. It waits for what the client reports of
// each, and returns all that it said.
func (s *secureSite) openssl(times int, line, report string, args ...string) string {
	s.t.Helper()
	program, err := exec.LookPath("openssl")
	if err != nil {
		s.t.Fatal("this test needs the program openssl: ", err)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{"s_client", "-connect", s.addr.String(), "-servername", "roost.test", "-msg"}, args...)...)
	typed, err := cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	said := new(screen)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait() // with an error, if the server does what it should
		close(ended)
	}()
	// It takes one command for each read of its terminal, and none before the handshake is over.
	said.wait("SSL handshake has read", 1, ended)
	for i := range times {
		typed.Write([]byte(line + "\n")) // which fails when it has ended
		said.wait(report, i+1, ended)
	}
	typed.Write([]byte("Q\n"))
	<-ended
	return said.String()
}

// screen is what a program says.
type screen struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// wait waits until the program has said text so many times, or has ended.
func (s *screen) wait(text string, times int, ended <-chan struct{}) {
	for strings.Count(s.String(), text) < times {
		select {
		case <-ended:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// L4: key updates are answered, a few of them without a word of data between;
// a client that asks for nothing else is cut.
func TestTLSKeyUpdates(t *testing.T) {
	watch(t)
	s := startTLS(t, Handler{OnMessage: echo}, Config{})
	said := s.openssl(5, "K", "<<< TLS 1.3, Handshake [length 0005], KeyUpdate", "-tls1_3")
	if n := strings.Count(said, "<<< TLS 1.3, Handshake [length 0005], KeyUpdate"); n != 5 {
		t.Errorf("5 key updates were asked for, and %d came:\n%s", n, said)
	}
	said = s.openssl(60, "K", "<<< TLS 1.3, Handshake [length 0005], KeyUpdate", "-tls1_3")
	if !strings.Contains(said, "fatal unexpected_message") {
		t.Errorf("60 key updates in a row were not too many:\n%s", said)
	}
	s.open().echo("hello")
	eventually(t, "the others are gone", func() bool { return s.Stats().Conns == 1 })
	if n := s.Stats().TLSFailures; n != 1 {
		t.Errorf("%d failures were counted, want 1", n)
	}
}

// L5: a client that wants to renegotiate is refused.
func TestTLSRenegotiation(t *testing.T) {
	watch(t)
	s := startTLS(t, Handler{OnMessage: echo}, Config{})
	said := s.openssl(1, "R", "<<< TLS 1.2, Alert", "-tls1_2")
	if n := strings.Count(said, ", ServerHello\n"); n != 1 || !strings.Contains(said, "RENEGOTIATING") || !strings.Contains(said, "<<< TLS 1.2, Alert") {
		t.Errorf("%d handshakes were done, with this:\n%s", n, said)
	}
	s.open().echo("hello")
	eventually(t, "the other is gone", func() bool { return s.Stats().Conns == 1 })
}
