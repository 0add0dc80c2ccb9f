package load

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// backend is a push backend for one channel in the plainest way, bent by wrong: it
// checks no signature, and that of a presence channel keeps a list of members.
type backend struct {
	mu      sync.Mutex
	channel string
	members []string
	sends   []func(text string)
	wrong   func(to, n int, text string, send func(string)) // of event n, for subscriber to
	events  int
	reply   string // of the HTTP API
}

// client serves one WebSocket connection.
func (b *backend) client(c net.Conn, br *bufio.Reader) {
	send := func(text string) { _, _ = c.Write(serverFrame(opText, []byte(text))) }
	id := "1." + fmt.Sprint(c.RemoteAddr().(*net.TCPAddr).Port)
	send(fmt.Sprintf(`{"event":"pusher:connection_established","data":"{\"socket_id\":\"%s\",\"activity_timeout\":120}"}`, id))
	for {
		op, payload, err := readClientFrame(br)
		if err != nil {
			return
		}
		if op != opText {
			continue
		}
		var m struct {
			Event string
			Data  struct {
				Channel     string
				ChannelData string `json:"channel_data"`
			}
		}
		if json.Unmarshal(payload, &m) != nil || m.Event != "pusher:subscribe" {
			send(`{"event":"pusher:error","data":{"code":null,"message":"what?"}}`)
			continue
		}
		b.subscribe(m.Data.Channel, m.Data.ChannelData, send)
	}
}

func (b *backend) subscribe(channel, data string, send func(string)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	answer := `{}`
	if data != "" {
		added, _ := json.Marshal(data)
		for _, other := range b.sends {
			other(`{"event":"pusher_internal:member_added","channel":"` + channel + `","data":` + string(added) + `}`)
		}
		b.members = append(b.members, data)
		answer = fmt.Sprintf(`{\"presence\":{\"ids\":[],\"hash\":{},\"count\":%d}}`, len(b.members))
	}
	b.sends = append(b.sends, send)
	if b.channel != "" {
		channel = b.channel
	}
	send(`{"event":"pusher_internal:subscription_succeeded","channel":"` + channel + `","data":"` + answer + `"}`)
}

// publish serves one call of the HTTP API.
func (b *backend) publish(body []byte) string {
	var e struct{ Name, Channel, Data string }
	_ = json.Unmarshal(body, &e)
	text := fmt.Sprintf(`{"event":"%s","channel":"%s","data":"%s"}`, e.Name, e.Channel, e.Data)
	b.mu.Lock()
	defer b.mu.Unlock()
	for to, send := range b.sends {
		if b.wrong != nil {
			b.wrong(to, b.events, text, send)
		} else {
			send(text)
		}
	}
	b.events++
	return b.reply
}

// serveBackend starts it.
func serveBackend(t *testing.T, b *backend) *Session {
	t.Helper()
	if b.reply == "" {
		b.reply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				br := bufio.NewReader(c)
				for {
					r, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					if strings.HasPrefix(r.URL.Path, "/app/") {
						_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+handshakeAccept+"\r\n\r\n")
						b.client(c, br)
						return
					}
					body, _ := io.ReadAll(r.Body)
					_, _ = io.WriteString(c, b.publish(body))
				}
			})
		}
	})
	s, err := NewSession(Dial{Addr: ln.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		ln.Close()
		all.Wait()
	})
	return s
}

var testApp = App{ID: "3", Key: "278d425bdf160c739803", Secret: "7ad3773142a6692b25b8"}

func join(t *testing.T, s *Session, j Join) *Joined {
	t.Helper()
	j.App, j.Concurrency = testApp, 2
	if j.Deadline == 0 {
		j.Deadline = deadline
	}
	r, err := s.Join(j, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The published signature of a call, so that what a server is asked is valid.
func TestCallsAreSigned(t *testing.T) {
	body := []byte(`{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}`)
	target := testApp.Target("POST", "/events", body, "", time.Unix(1353088179, 0))
	if !strings.HasSuffix(target, "&auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c") {
		t.Error(target)
	}
}

func TestJoinAndPublish(t *testing.T) {
	const clients, events = 7, 5
	s := serveBackend(t, &backend{})
	if r := join(t, s, Join{Count: clients, Channel: "c"}); r.Failures.Total() != 0 || r.Joined != clients || r.Latency.Count() != clients {
		t.Fatalf("%+v", r)
	}
	for _, size := range []int{0, 500} {
		r, err := s.Publish(Publish{App: testApp, Channel: "c", Fanout: Fanout{Messages: events, Size: size, Every: time.Millisecond, Drain: deadline}}, nil)
		if err != nil || r.Failures.Total() != 0 || r.Deliveries != clients*events || r.Last.Count() != events {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	r, err := s.Post(Post{App: testApp, Channel: "c", Size: 200, Callers: 3, Warmup: 20 * time.Millisecond, Window: 100 * time.Millisecond, Drain: deadline}, nil)
	if err != nil || r.Failures.Total() != 0 || r.Calls == 0 || int64(r.Calls) != r.Latency.Count() {
		t.Fatalf("%+v, %v", r, err)
	}
	if s.Open() != clients {
		t.Errorf("%d connections are open after that, want %d", s.Open(), clients)
	}
}

// A Join on a presence channel is done when everybody knows of everybody.
func TestJoinPresence(t *testing.T) {
	const clients = 6
	r := join(t, serveBackend(t, &backend{}), Join{Count: clients, Channel: "presence-c"})
	if r.Failures.Total() != 0 || r.Told != clients*(clients-1)/2 {
		t.Fatalf("%+v", r)
	}
}

func TestJoinFindsWrongServers(t *testing.T) {
	wantOnly(t, join(t, serveBackend(t, &backend{channel: "other"}), Join{Count: 1, Channel: "c"}).Failures, Stranger)
	wantOnly(t, join(t, serveBackend(t, &backend{}), Join{Count: 1, Channel: `c"`}).Failures, Protocol) // refused, with an error
	b := &backend{members: []string{"a ghost"}}
	wantOnly(t, join(t, serveBackend(t, b), Join{Count: 2, Channel: "presence-c", Deadline: 200 * time.Millisecond}).Failures, Lost)
}

func TestPublishFindsWrongDeliveries(t *testing.T) {
	var held string
	for name, c := range map[string]struct {
		wrong func(to, n int, text string, send func(string))
		want  Kind
	}{
		"one missing": {func(to, n int, text string, send func(string)) {
			if to != 1 || n != 2 {
				send(text)
			}
		}, Lost},
		"twice": {func(to, n int, text string, send func(string)) {
			send(text)
			if to == 1 && n == 1 {
				send(text)
			}
		}, Duplicate},
		"in the wrong order": {func(to, n int, text string, send func(string)) {
			switch {
			case to != 1 || n != 1 && n != 2:
				send(text)
			case n == 1:
				held = text
			default:
				send(text)
				send(held)
			}
		}, Lost},
		"other bytes": {func(to, n int, text string, send func(string)) {
			if to == 1 && n == 1 {
				text = strings.Replace(text, "xx", "x ", 1)
			}
			send(text)
		}, Corrupt},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveBackend(t, &backend{wrong: c.wrong})
			join(t, s, Join{Count: 3, Channel: "c"})
			r, err := s.Publish(Publish{App: testApp, Channel: "c", Fanout: Fanout{Messages: 4, Size: 200, Every: 5 * time.Millisecond, Drain: 300 * time.Millisecond}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.want != Lost {
				delete(r.Failures.Count, Lost) // the dropped subscriber misses the rest
			}
			wantOnly(t, r.Failures, c.want)
		})
		if name == "in the wrong order" {
			continue // callers at the same time make no order
		}
		t.Run(name+", many callers", func(t *testing.T) {
			s := serveBackend(t, &backend{wrong: c.wrong})
			join(t, s, Join{Count: 3, Channel: "c"})
			r, err := s.Post(Post{App: testApp, Channel: "c", Size: 200, Callers: 2, Window: 50 * time.Millisecond, Drain: 200 * time.Millisecond}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.want != Lost {
				delete(r.Failures.Count, Lost)
			}
			wantOnly(t, r.Failures, c.want)
		})
	}
}

// What is no plain success of a call is a failure of the server.
func TestCallsMustSucceed(t *testing.T) {
	for reply, want := range map[string]Kind{
		"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}": Refused,
		"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"ok\":true}":      Corrupt,
		"HTTP/1.1 200 OK\r\n\r\n{}":                                       Protocol,
	} {
		s := serveBackend(t, &backend{reply: reply})
		join(t, s, Join{Count: 1, Channel: "c"})
		r, err := s.Publish(Publish{App: testApp, Channel: "c", Fanout: Fanout{Messages: 1, Size: 200, Drain: 100 * time.Millisecond}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		delete(r.Failures.Count, Lost)
		wantOnly(t, r.Failures, want)
	}
}
