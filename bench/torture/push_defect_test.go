package torture

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// bender stands between clients and a server of the Pusher Channels protocol and
// says something else than the server does. So a defect can be planted in a
// server that has none.
type bender struct {
	server string // host:port
	bend   func(c *bent, op byte, message string)
	relay  func(client io.Writer, in *bufio.Reader) // brings responses; nil: as they are
	alone  func(client net.Conn)                    // serves who comes when the server is gone; nil: nobody

	mu    sync.Mutex // guards the rest
	conns []*bent    // with their WebSocket open
}

// bent is one client of a bender, whose frames are changed on their way.
type bent struct {
	*bender
	number int // of the connection: 0 for the first
	mu     sync.Mutex
	client net.Conn
	last   string // the defect's own
	seen   int    // so is this
}

// say sends a frame to the client.
func (c *bent) say(op byte, message string) {
	f, _ := Frame{Op: op, Bare: true, Payload: []byte(message)}.append(nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.client.Write(f)
}

// startBender serves until the test ends.
func startBender(t *testing.T, server string, bend func(c *bent, op byte, message string)) (url string) {
	t.Helper()
	return (&bender{server: server, bend: bend}).start(t)
}

func (b *bender) start(t *testing.T) (url string) {
	t.Helper()
	return startRelay(t, b.serve)
}

// startRelay has somebody between clients and a server, until the test ends.
func startRelay(t *testing.T, serve func(client net.Conn)) (url string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			go serve(client)
		}
	}()
	return "ws://" + ln.Addr().String()
}

func (b *bender) serve(client net.Conn) {
	defer client.Close()
	upstream, err := net.Dial("tcp", b.server)
	if err != nil {
		if b.alone != nil {
			b.alone(client)
		}
		return
	}
	go func() { // what clients say is not touched; an end of theirs is one for both
		io.Copy(upstream, client)
		upstream.Close()
	}()
	defer upstream.Close()
	in := bufio.NewReader(upstream)
	if head, err := in.Peek(12); err != nil || string(head[9:]) != "101" {
		if b.relay != nil {
			b.relay(client, in)
		} else {
			io.Copy(client, in)
		}
		return
	}
	for line := ""; line != "\r\n"; {
		if line, err = in.ReadString('\n'); err != nil {
			return
		}
		io.WriteString(client, line)
	}
	b.mu.Lock()
	c := &bent{bender: b, client: client, number: len(b.conns)}
	b.conns = append(b.conns, c)
	b.mu.Unlock()
	for {
		op, message, err := serverFrame(in)
		if err != nil {
			return
		}
		b.bend(c, op, message)
	}
}

// serverFrame reads one frame of a server, which are not masked.
func serverFrame(in io.Reader) (op byte, message string, err error) {
	var head [8]byte
	if _, err := io.ReadFull(in, head[:2]); err != nil {
		return 0, "", err
	}
	op = head[0] & 15
	n := uint64(head[1])
	switch n {
	case 126:
		_, err = io.ReadFull(in, head[:2])
		n = uint64(binary.BigEndian.Uint16(head[:]))
	case 127:
		_, err = io.ReadFull(in, head[:])
		n = binary.BigEndian.Uint64(head[:])
	}
	if err != nil {
		return 0, "", err
	}
	payload := make([]byte, n)
	_, err = io.ReadFull(in, payload)
	return op, string(payload), err
}

// pushDefects are the mistakes that servers of the protocol make, and the cases
// that must notice each of them.
var pushDefects = []struct {
	defect, id string
	bend       func(c *bent, op byte, message string)
}{
	{"loses an event of the honest connection", "^U1/canary$", losesEvery(3, `"note"`)},
	{"gives an event to others", "^U1/canary$", func(c *bent, op byte, message string) {
		c.say(op, message)
		if strings.Contains(message, "client-whisper") {
			c.earlier(1).say(op, message)
		}
	}},
	{"loses an event", "^B1/stuck$", losesEvery(700, `"numbered"`)},
	{"loses an event", "^B2/order$", losesEvery(300, `"numbered"`)},
	{"has another order for every second", "^B3/publishers$", func(c *bent, op byte, message string) {
		held := c.last
		switch c.last = ""; {
		case c.number%2 == 0 || !strings.Contains(message, `"numbered"`):
		case held == "":
			c.last = message
			return
		case publisherOf(held) != publisherOf(message):
			c.say(op, message)
			c.say(op, held)
			return
		}
		if held != "" {
			c.say(op, held)
		}
		c.say(op, message)
	}},
	{"loses an event of a slow one", "^B4/bursts$", losesEvery(150, `"numbered"`)},
	{"sends an event twice", "^B5/interleaved$", func(c *bent, op byte, message string) {
		c.say(op, message)
		if c.seen++; c.seen == 50 {
			c.say(op, message)
		}
	}},
	{"goes on after its close", "^R8/publish-and-close$", func(c *bent, op byte, message string) {
		c.say(op, message)
		if op == opClose {
			c.say(opText, c.last)
		} else {
			c.last = message
		}
	}},
	{"changes a byte for one of many", "^B6/verbatim$", func(c *bent, op byte, message string) {
		if c.number%8 == 5 {
			message = strings.Replace(message, "script", "skript", 1)
		}
		c.say(op, message)
	}},
	{"sends an event to who has left", "^B7/come-and-go$", func(c *bent, op byte, message string) {
		c.say(op, message)
		if strings.Contains(message, `"numbered"`) {
			c.last = message
		} else if c.last != "" && strings.Contains(message, "pusher:pong") {
			c.say(op, c.last)
		}
	}},
	{"sends an event before the success", "^B7/come-and-go$", func(c *bent, op byte, message string) {
		if c.last != "" && strings.Contains(message, "subscription_succeeded") {
			c.say(op, c.last)
		}
		if strings.Contains(message, `"numbered"`) {
			c.last = message
		}
		c.say(op, message)
	}},
	{"tells of every tab", "^B8/tabs$", func(c *bent, op byte, message string) {
		c.say(op, message)
		if strings.Contains(message, "member_added") {
			c.say(op, message)
		}
	}},
	{"counts wrongly", "^B8/member-text$", replaces(`\"count\":1`, `\"count\":2`)},
	{"keeps who has gone", "^B8/churn$", losesEvery(10, "member_removed")},
	{"has no end of comings", "^B8/flap$", says("pusher:subscription_error", `{"event":"pusher_internal:subscription_succeeded","channel":"presence-flap","data":"{}"}`)},
	{"forgets the small channel", "^B9/crowd$", losesEvery(20, "small-")},
	{"answers the sender", "^B10/others-only$", func(c *bent, op byte, message string) {
		c.say(op, message)
		if strings.Contains(message, "client-whisper") {
			c.earlier(2).say(op, message)
		}
	}},
	{"does not say whose it is", "^B10/presence$", replaces(`"user_id":"sender"`, `"user_id":"other"`)},
	{"has no rate", "^B10/rate$", func(c *bent, op byte, message string) {
		if !strings.Contains(message, `"code":4301`) {
			c.say(op, message)
		}
	}},
	{"says yes to everybody", "^A9/auth-other-secret$", says("pusher:subscription_error", `{"event":"pusher_internal:subscription_succeeded","channel":"private-a","data":"{}"}`)},
	{"says yes to everybody", "^A9/signin-forged$", says(`"code":4009`, `{"event":"pusher:signin_success","data":"{}"}`)},
	{"takes any member", "^A8/member-no-id$", says("pusher:subscription_error", `{"event":"pusher_internal:subscription_succeeded","channel":"presence-a","data":"{}"}`)},
	{"takes any name", "^A8/channel-space$", says("pusher:subscription_error", `{"event":"pusher_internal:subscription_succeeded","channel":"a b","data":"{}"}`)},
	{"ends for a mistake", "^R6/message-null$", func(c *bent, op byte, message string) {
		c.say(op, message)
		if strings.Contains(message, "pusher:error") {
			c.say(opClose, "\x0f\xa0")
		}
	}},
	{"takes any authorisation", "^R6/auth-null$", says("pusher:subscription_error", `{"event":"pusher_internal:subscription_succeeded","channel":"private-a","data":"{}"}`)},
	{"takes any user", "^R6/user-data-null$", says(`"code":4009`, `{"event":"pusher:signin_success","data":"{}"}`)},
	{"passes over what is no text", "^R6/binary$", func(c *bent, op byte, message string) {
		if op != opClose {
			c.say(op, message)
		}
	}},
	{"answers a pong", "^R6/pong$", func(c *bent, op byte, message string) {
		c.say(op, message)
		if strings.Contains(message, "subscription_succeeded") {
			c.say(op, `{"event":"pusher:error","data":{"code":null,"message":"pong?"}}`)
		}
	}},
	{"wants an object", "^R6/subscribe-in-a-string$", replaces("pusher_internal:subscription_succeeded\",\"channel\":\"news\"", "pusher:error\"")},
	{"has no limit of channels", "^R10/channels$", replaces("pusher:subscription_error", "pusher_internal:subscription_succeeded")},
	{"closes with another code", "^H29/no-app$", func(c *bent, op byte, message string) {
		if op == opClose {
			message = "\x03\xe8"
		}
		c.say(op, message)
	}},
	{"explains nothing", "^H29/no-app-early$", func(c *bent, op byte, message string) {
		if !strings.Contains(message, `"code":4001`) {
			c.say(op, message)
		}
	}},
}

// earlier is another connection: the first one only asks who is there, the second
// is the honest one of row U1, then come the case's own.
func (c *bent) earlier(number int) *bent {
	c.bender.mu.Lock()
	defer c.bender.mu.Unlock()
	return c.conns[number]
}

// losesEvery loses one in n of the messages that have a text in them.
func losesEvery(n int, text string) func(c *bent, op byte, message string) {
	return func(c *bent, op byte, message string) {
		if strings.Contains(message, text) {
			if c.seen++; c.seen%n == 0 {
				return
			}
		}
		c.say(op, message)
	}
}

func replaces(old, with string) func(c *bent, op byte, message string) {
	return func(c *bent, op byte, message string) { c.say(op, strings.Replace(message, old, with, 1)) }
}

// says says something else in place of every message that has a text in it.
func says(text, instead string) func(c *bent, op byte, message string) {
	return func(c *bent, op byte, message string) {
		if strings.Contains(message, text) {
			message = instead
		}
		c.say(op, message)
	}
}

var publisherPattern = regexp.MustCompile(`"data":"(p\d+) `)

func publisherOf(message string) string {
	found := publisherPattern.FindStringSubmatch(message)
	if found == nil {
		return ""
	}
	return found[1]
}

// Every check of the rows about pushing can fail: each is played against a server
// that has the defect it is there for. All of them pass when there is none.
func TestPushDefectsAreFound(t *testing.T) {
	t.Parallel()
	r := startRoost(t, buildRoost(t), "", "serve", pushFlags()...)
	var all []planted
	for _, d := range pushDefects {
		played := d.id
		if strings.HasPrefix(d.id, "^U") {
			played = "^B10/others-only$"
		}
		all = append(all, planted{d.defect, d.id, played, startBender(t, r.addr, d.bend)})
	}
	areFound(t, all, Options{Push: &Push{App: testApp}, Delay: sideBySide / 2}, startBender(t, r.addr, (*bent).say))
}

// Rows R11, R12: a server that writes down what clients send, and makes metrics of it.
func TestPushFloodsAreWatched(t *testing.T) {
	t.Parallel()
	r := startRoost(t, buildRoost(t), "", "serve", pushFlags()...)
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	operator, admin := startOperator(t)
	url := startBender(t, r.addr, func(c *bent, op byte, message string) {
		if strings.Contains(message, `"code":4001`) {
			operator.shows(metricsOf(map[string]float64{fmt.Sprintf("refused{client=%q}", c.client.RemoteAddr()): 1}))
		}
		if strings.Contains(message, "pusher:error") {
			fmt.Fprintln(log, message)
		}
		c.say(op, message)
	})
	s, err := Run(t.Context(), Options{
		URL: url, Push: &Push{App: testApp}, Admin: admin, Log: log.Name(), Timeout: 10 * time.Second, Delay: stall, Run: regexp.MustCompile("^R(11/names|12/flood)$"),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"U5/log", "U6/closed-set"} {
		if !slices.ContainsFunc(s.Failed, func(r Result) bool { return r.ID == id && r.Got != "" }) {
			t.Errorf("%s did not notice it; these failed: %v", id, s.Failed)
		}
	}
}
