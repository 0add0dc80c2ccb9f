package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/pusher/pusher-http-go/v5"
)

// sequence is a subscriber's view of numbered events: each once, in order, until
// its connection ends.
type sequence struct {
	next int
	err  error // what ended the connection
}

// listen reads until the connection ends or the last event was there. A gap is a
// fault of the server's.
func (s *sequence) listen(t *testing.T, c *pushClient, last int) {
	for s.next < last {
		c.conn.SetReadDeadline(time.Now().Add(patience))
		_, message, err := c.conn.ReadMessage()
		if err != nil {
			s.err = err
			return
		}
		var event struct{ Event, Data string }
		if json.Unmarshal(message, &event) != nil || event.Event != "tick" {
			continue
		}
		var n int
		fmt.Sscanf(event.Data, "%d", &n)
		if n != s.next {
			t.Errorf("event %d came when %d was due", n, s.next)
			return
		}
		s.next++
	}
}

func sdkClient(p *program) *pusher.Client {
	return &pusher.Client{AppID: appID, Key: appKey, Secret: appSecret, Host: p.addr, Secure: false}
}

// Rows B1, B4: subscribers that stop reading are cut with a reason and a counter;
// everybody else gets every event, and no publisher is told no.
func TestSlowSubscribers(t *testing.T) {
	t.Parallel()
	p := startServe(t)
	const honest, stuck, events = 8, 3, 800
	subscribe := func(c *pushClient) *pushClient {
		c.hears()
		c.says(`{"event":"pusher:subscribe","data":{"channel":"news"}}`)
		return c
	}
	var slow []*pushClient
	for range stuck {
		dialer := gorilla.Dialer{NetDial: func(network, addr string) (net.Conn, error) {
			conn, err := net.Dial(network, addr)
			if err == nil {
				conn.(*net.TCPConn).SetReadBuffer(128 << 10)
			}
			return conn, err
		}}
		conn, _, err := dialer.Dial("ws://"+p.addr+"/app/"+appKey+"?protocol=7", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetReadDeadline(time.Now().Add(patience))
		slow = append(slow, subscribe(&pushClient{t, conn}))
	}
	done := make(chan *sequence)
	for range honest {
		c := subscribe(dialApp(t, p, appKey))
		go func() {
			s := new(sequence)
			s.listen(t, c, events)
			done <- s
		}()
	}
	client := sdkClient(p)
	filling := strings.Repeat("x", 9000)
	for i := range events {
		if err := client.Trigger("news", "tick", fmt.Sprintf("%d %s", i, filling)); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
	}
	for range honest {
		if s := <-done; s.err != nil || s.next != events {
			t.Errorf("an honest subscriber got %d of %d events: %v", s.next, events, s.err)
		}
	}
	for _, c := range slow {
		s := new(sequence)
		s.listen(t, c, events)
		var timeout net.Error
		if s.err == nil || s.next == events || errors.As(s.err, &timeout) && timeout.Timeout() {
			t.Errorf("a subscriber that does not read got %d of %d events: %v", s.next, events, s.err)
		}
	}
	if text := metricsText(t, p); !strings.Contains(text, fmt.Sprintf("roost_slow_consumers_total %d\n", stuck)) {
		t.Errorf("%d subscribers were cut, and the counter says otherwise", stuck)
	}
}

// Row S6: what a publisher was told was accepted reaches everybody, though the
// server is told to end at that moment.
func TestAcceptedEventsOutliveTheSignal(t *testing.T) {
	t.Parallel()
	const clients = 10
	var all []*pushClient
	p := draining(t, "500ms", func(p *program) {
		for range clients {
			c := dialApp(t, p, appKey)
			c.hears()
			c.says(`{"event":"pusher:subscribe","data":{"channel":"news"}}`)
			all = append(all, c)
		}
		client := sdkClient(p)
		for i := range 50 {
			if err := client.Trigger("news", "tick", fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
	})
	for _, c := range all {
		s := new(sequence)
		s.listen(t, c, 50)
		if s.next != 50 {
			t.Errorf("a subscriber got %d of 50 events that were accepted: %v", s.next, s.err)
		}
		s.listen(t, c, 1<<30) // to the Close frame, which the client answers
		c.conn.Close()        // or the server waits for it nearly as long as it may
		if !gorilla.IsCloseError(s.err, closeReconnect) {
			t.Errorf("a subscriber was told %v, want Close %d", s.err, closeReconnect)
		}
	}
	p.endsWell(t, clients)
}

// Row R10: a connection has so many channels and no more, and what was subscribed
// to is forgotten with it.
func TestSubscriptionExplosion(t *testing.T) {
	t.Parallel()
	p := startServe(t)
	gauges := func() (channels, subscriptions string) {
		for line := range strings.SplitSeq(metricsText(t, p), "\n") {
			if v, ok := strings.CutPrefix(line, "roost_channels "); ok {
				channels = v
			}
			if v, ok := strings.CutPrefix(line, "roost_subscriptions "); ok {
				subscriptions = v
			}
		}
		return channels, subscriptions
	}
	c := dialApp(t, p, appKey)
	c.hears()
	refused := 0
	for i := range 300 {
		if answer := c.says(fmt.Sprintf(`{"event":"pusher:subscribe","data":{"channel":"c-%d"}}`, i)); !strings.Contains(answer, "subscription_succeeded") {
			refused++
		}
	}
	if channels, subscriptions := gauges(); refused != 100 || channels != "200" || subscriptions != "200" {
		t.Errorf("%d of 300 subscriptions refused; %s channels, %s subscriptions", refused, channels, subscriptions)
	}
	for round := range 2000 { // and in a loop
		c.conn.WriteMessage(gorilla.TextMessage, fmt.Appendf(nil, `{"event":"pusher:unsubscribe","data":{"channel":"c-%d"}}`, round%200))
		if answer := c.says(fmt.Sprintf(`{"event":"pusher:subscribe","data":{"channel":"c-%d"}}`, round%200)); !strings.Contains(answer, "subscription_succeeded") {
			t.Fatalf("round %d: %s", round, answer)
		}
	}
	c.conn.Close()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		channels, subscriptions := gauges()
		if channels == "0" && subscriptions == "0" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s channels and %s subscriptions are left", channels, subscriptions)
		}
	}
}

// Row S3: a process that is killed leaves nothing in the way of the next one.
func TestKilledServerCanBeStartedAgain(t *testing.T) {
	socket := t.TempDir() + "/roost.sock"
	env := []string{"ROOST_APP_ID=" + appID, "ROOST_APP_KEY=" + appKey, "ROOST_APP_SECRET=" + appSecret}
	for range 3 {
		p := launch(t, env, "serve", "--listen", "unix:"+socket, "--admin", "off")
		p.log.await(t, "start-up line", func(r record) bool { return r["msg"] == "listening" })
		conn, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, wsHead("/app/"+appKey+"?protocol=7"))
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		p.cmd.Process.Signal(syscall.SIGKILL)
		<-p.exited
		conn.Close()
	}
}
