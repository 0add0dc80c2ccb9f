package soak

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// site is what a server offers its clients.
type site interface {
	// path is where clients connect.
	path() string
	// greet takes what a server says first.
	greet(c *client) error
	// join makes c an honest resident, whose news are told to heard.
	join(c *client) error
	// ask sends a request.
	ask(c *client, q question) error
	// take judges a frame that c got: it is the answer to q, or news, which took
	// so long.
	take(c *client, f frame, q question) (answer bool, took time.Duration, err error)
	// press makes the server send as much as it can to somebody who does not read.
	press(c *client) error
}

// question is one request of a resident.
type question struct {
	payload []byte // of an echo
}

// echoSite is `roost echo`.
type echoSite struct{}

func (echoSite) path() string        { return "/" }
func (echoSite) greet(*client) error { return nil }
func (echoSite) join(*client) error  { return nil }

// sizeOf draws the size of a message: mostly small, now and then larger than a
// worker's buffer.
func sizeOf() int {
	switch n := rand.IntN(100); {
	case n < 80:
		return rand.IntN(200)
	case n < 99:
		return rand.IntN(8 << 10)
	}
	return rand.IntN(200 << 10)
}

func newQuestion() question {
	b := make([]byte, sizeOf())
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return question{payload: b}
}

func (echoSite) ask(c *client, q question) error { return c.send(opBinary, q.payload) }

func (echoSite) take(_ *client, f frame, q question) (bool, time.Duration, error) {
	if f.op != opBinary || !bytes.Equal(f.payload, q.payload) {
		return false, 0, fmt.Errorf("the echo of %d bytes has opcode %d and %d bytes, or other ones", len(q.payload), f.op, len(f.payload))
	}
	return true, 0, nil
}

// press sends messages whose echoes nobody takes.
func (echoSite) press(c *client) error { return c.send(opBinary, make([]byte, 64<<10)) }

// The app of `roost serve`.
const (
	appID     = "soak"
	appKey    = "key"
	appSecret = "secret"

	newsChannel = "news"
)

// loudChannels are for those who do not read: each gets every event ten times,
// so that few calls fill what the kernel and the server keep for it.
var loudChannels = []string{"loud0", "loud1", "loud2", "loud3", "loud4", "loud5", "loud6", "loud7", "loud8", "loud9"}

// pushSite is `roost serve`.
type pushSite struct{ addr string }

func (pushSite) path() string { return "/app/" + appKey + "?protocol=7&client=soak&version=1" }

// event is a message of the Pusher protocol.
type event struct {
	Event   string          `json:"event"`
	Channel string          `json:"channel"`
	Data    json.RawMessage `json:"data"`
}

func (pushSite) greet(c *client) error {
	return c.expect("pusher:connection_established")
}

// expect takes one frame, which has to be this event.
func (c *client) expect(name string) error {
	f, err := c.receive()
	if err != nil {
		return fmt.Errorf("waiting for %s: %w", name, err)
	}
	var e event
	if err := json.Unmarshal(f.payload, &e); err != nil || f.op != opText || e.Event != name {
		return fmt.Errorf("waiting for %s: opcode %d, %.100q", name, f.op, f.payload)
	}
	return nil
}

func (c *client) subscribe(channel string) error {
	return c.send(opText, []byte(`{"event":"pusher:subscribe","data":{"channel":"`+channel+`"}}`))
}

func (pushSite) join(c *client) error {
	if err := c.subscribe(newsChannel); err != nil {
		return err
	}
	return c.expect("pusher_internal:subscription_succeeded")
}

func (pushSite) ask(c *client, _ question) error {
	return c.send(opText, []byte(`{"event":"pusher:ping","data":{}}`))
}

// take wants every tick since the subscription: none may be left out or come twice.
func (pushSite) take(c *client, f frame, _ question) (bool, time.Duration, error) {
	var e event
	if err := json.Unmarshal(f.payload, &e); err != nil || f.op != opText {
		return false, 0, fmt.Errorf("opcode %d, %.100q", f.op, f.payload)
	}
	switch {
	case e.Event == "pusher:pong":
		return true, 0, nil
	case e.Event == "tick" && e.Channel == newsChannel:
		var number, sent int64
		if _, err := fmt.Sscanf(string(e.Data), `"%d %d"`, &number, &sent); err != nil {
			return false, 0, fmt.Errorf("news %.100q: %w", e.Data, err)
		}
		if c.news != 0 && number != c.news+1 {
			return false, 0, fmt.Errorf("news %d came after %d", number, c.news)
		}
		c.news = number
		return false, time.Duration(time.Now().UnixNano() - sent), nil
	}
	return false, 0, fmt.Errorf("event %.100q, which was not asked for", f.payload)
}

func (pushSite) press(c *client) error {
	time.Sleep(time.Second) // the publisher presses
	return nil
}

// publish sends one event through the HTTP API, signed as Pusher's clients sign.
func (s pushSite) publish(client *http.Client, name, data string, channels ...string) error {
	body, err := json.Marshal(map[string]any{"name": name, "channels": channels, "data": data})
	if err != nil {
		return err
	}
	sum := md5.Sum(body)
	query := url.Values{
		"auth_key": {appKey}, "auth_timestamp": {strconv.FormatInt(time.Now().Unix(), 10)},
		"auth_version": {"1.0"}, "body_md5": {hex.EncodeToString(sum[:])},
	}.Encode()
	path := "/apps/" + appID + "/events"
	mac := hmac.New(sha256.New, []byte(appSecret))
	io.WriteString(mac, "POST\n"+path+"\n"+query)
	res, err := client.Post("http://"+s.addr+path+"?"+query+"&auth_signature="+hex.EncodeToString(mac.Sum(nil)),
		"application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if answer, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		return fmt.Errorf("publishing: %s: %.100s", res.Status, answer)
	}
	return nil
}
