package main

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// interrupted is a listener that the kernel refuses a few connections of.
type interrupted struct {
	net.Listener
	errs []error
}

func (l *interrupted) Accept() (net.Conn, error) {
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		return nil, &net.OpError{Op: "accept", Err: err}
	}
	return l.Listener.Accept()
}

// Row T8: errors of accept are a moment's for the admin address, too, and not its end.
func TestAdminOutlivesErrorsOfAccept(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := []error{syscall.EPERM, syscall.EPROTO, syscall.ENOBUFS, syscall.ENOMEM, syscall.ENETDOWN}
	s := &http.Server{Handler: http.NotFoundHandler(), ErrorLog: log.New(io.Discard, "", 0)}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(patientListener{&interrupted{ln, refused}}) }()
	if status, _ := get(t, "http://"+ln.Addr().String()); status != http.StatusNotFound {
		t.Errorf("status %d", status)
	}
	s.Close()
	if err := <-ended; err != http.ErrServerClosed {
		t.Errorf("it ended with %v", err)
	}
}

// A unix socket that a killed process left behind does not keep the next one from
// starting, as the clients' address or as the admin address; one that somebody
// listens on does.
func TestAdminAfterACrash(t *testing.T) {
	for _, flags := range [][2]string{{"--listen", "--admin"}, {"--admin", "--listen"}} {
		socket := filepath.Join(t.TempDir(), "socket")
		args := []string{"serve", flags[0], "unix:" + socket, flags[1], "127.0.0.1:0", "--drain", "100ms"}
		crashed := launch(t, nil, args...)
		crashed.log.await(t, "the start-up line", func(r record) bool { return r["msg"] == "listening" })
		busy := launch(t, nil, args...)
		if code := busy.wait(); code != exitListen || !strings.Contains(strings.Join(busy.noise.all(), ""), flags[0]+" unix:"+socket+" is in use by another program") {
			t.Errorf("%s: exit code %d while another one listens: %v", flags[0], code, busy.noise.all())
		}
		crashed.cmd.Process.Signal(syscall.SIGKILL)
		crashed.wait()
		start(t, nil, args...)
	}
}

// Whom the permissions of a socket's file let in are no strangers: everything is
// there, under whatever name a proxy asks for it.
func TestConsoleAtAUnixSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "admin")
	start(t, nil, "serve", "--listen", "127.0.0.1:0", "--admin", "unix:"+socket, "--drain", "100ms")
	client := http.Client{Timeout: patience, Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", socket) },
	}}
	defer client.CloseIdleConnections()
	for _, path := range []string{"/", "/console/state", "/metrics", "/live"} {
		resp, err := client.Get("http://roost.example" + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("GET %s: %d", path, resp.StatusCode)
		}
	}
}
