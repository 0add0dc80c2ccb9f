package torture

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Rows S1 to S6 of a server with an API: what that has accepted is delivered, and
// what comes late is told no.
func TestRoostPushStop(t *testing.T) {
	t.Parallel()
	secured, roots := certificateFiles(t)
	stopRoosts(t, buildRoost(t), "serve", 15, Options{Roots: roots, Push: &Push{App: testApp}}, []ended{
		{name: "plain", args: pushFlags(), stop: polite},
		{name: "tls", args: pushFlags(secured...), stop: polite},
		{name: "rude", args: pushFlags(), stop: Stopping{Window: stopWindow, Grace: 5*time.Second + stall, Rude: true}},
		{name: "twice", args: pushFlags(), stop: Stopping{Grace: stall, Code: 1, Rude: true, AtOnce: true}, twice: true},
	})
}

// pushStopNotices plants defects in the end of a server with an API.
func pushStopNotices(t *testing.T, all *sync.WaitGroup) {
	say := (*bent).say
	served := func(answer string) func(client net.Conn) {
		return func(client net.Conn) {
			r, err := http.ReadRequest(bufio.NewReader(client))
			if err != nil || r.Method != http.MethodPost {
				return
			}
			io.Copy(io.Discard, r.Body)
			io.WriteString(client, answer)
		}
	}
	for _, d := range []struct {
		defect, id string
		bender     *bender
	}{
		{"forgets the last event", "S6/delivered", &bender{bend: func(c *bent, op byte, message string) {
			if strings.Contains(message, `"numbered"`) {
				message, c.last = c.last, message
			}
			if message != "" {
				c.say(op, message)
			}
		}}},
		{"goes on after its close", "S6/delivered", &bender{bend: func(c *bent, op byte, message string) {
			c.say(op, message)
			if c.last = message; op == opClose {
				c.say(opText, `{"event":"late","data":"{}"}`)
			}
		}}},
		{"takes late calls and forgets them", "S6/delivered", &bender{bend: say, alone: served("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")}},
		{"fails late calls", "S6/calls", &bender{bend: say, alone: served("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")}},
		{"says nothing to late calls", "S6/calls", &bender{bend: say, alone: func(client net.Conn) { io.Copy(io.Discard, client) }}},
		{"cuts calls that have begun", "S6/calls", &bender{bend: say, relay: func(client io.Writer, in *bufio.Reader) {
			if head, _ := in.Peek(12); strings.HasSuffix(string(head), " 100") {
				io.CopyN(client, in, int64(len("HTTP/1.1 100 Continue\r\n\r\n")))
				time.Sleep(500 * time.Millisecond)
				return
			}
			io.Copy(client, in)
		}}},
		{"closes with another code", "S1/quiet", &bender{bend: func(c *bent, op byte, message string) {
			if op == opClose {
				message = "\x03\xe8"
			}
			c.say(op, message)
		}}},
	} {
		r := launchRoost(t, buildRoost(t), "", "serve", pushFlags("--drain", "1s")...)
		d.bender.server = r.addr
		url := d.bender.start(t)
		all.Go(func() {
			s, err := Stop(t.Context(), Options{URL: url, Push: &Push{App: testApp}, Timeout: 2 * time.Second, Delay: stall}, Stopping{
				Window: time.Second, Grace: 10 * time.Second,
				Signal: func() error { return r.cmd.Process.Signal(syscall.SIGTERM) },
				Ended:  r.ended,
			}, nil)
			if err != nil {
				t.Errorf("%s: %v", d.defect, err)
			} else if !slices.ContainsFunc(s.Failed, func(r Result) bool { return r.ID == d.id && r.Got != "" && r.Want != "" }) {
				t.Errorf("%s: %s did not notice it; these failed: %v", d.defect, d.id, s.Failed)
			}
		})
	}
}
