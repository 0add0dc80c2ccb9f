package load

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// App is who clients and callers of a push backend are: an app of the Pusher
// Channels protocol.
type App struct {
	ID     string `json:"id"`
	Key    string `json:"key"`
	Secret string `json:"secret"`
}

// Join asks for clients of a push backend: each connects and subscribes to one channel.
type Join struct {
	App         App           `json:"app"`
	Count       int           `json:"count"`
	Concurrency int           `json:"concurrency"` // clients not yet subscribed at one time
	Channel     string        `json:"channel"`     // with one for each client instead if Own
	Own         bool          `json:"own"`         // each has a channel of its own: Channel and a number
	Deadline    time.Duration `json:"deadline"`    // for all of them together
}

// Joined is what became of a Join.
type Joined struct {
	Joined    int           `json:"joined"`
	Elapsed   time.Duration `json:"elapsed"`
	ServerCPU time.Duration `json:"server_cpu"`
	Latency   *Histogram    `json:"latency"` // from connect(2) to being subscribed
	// Told is how many messages about other members came. On a presence channel
	// every client must know of every other before a Join is done.
	Told     uint64   `json:"told"`
	Failures Failures `json:"failures"`
}

// Publish asks for events that reach all subscribers of a channel, each by one
// call of the HTTP API. Every open connection must be subscribed to it.
type Publish struct {
	App     App    `json:"app"`
	Channel string `json:"channel"`
	Fanout         // Size is that of the message a subscriber gets
}

// Post asks for calls of the HTTP API, as fast as they are answered.
type Post struct {
	App     App           `json:"app"`
	Channel string        `json:"channel"` // to which every open connection must be subscribed
	Size    int           `json:"size"`    // of the message a subscriber gets
	Callers int           `json:"callers"` // connections, each with one call at a time
	Warmup  time.Duration `json:"warmup"`
	Window  time.Duration `json:"window"`
	Drain   time.Duration `json:"drain"`
}

// Posted is the outcome of a Post. Everything but Failures concerns the window.
type Posted struct {
	Calls     uint64        `json:"calls"`
	Window    time.Duration `json:"window"`
	ServerCPU time.Duration `json:"server_cpu"`
	ClientCPU time.Duration `json:"client_cpu"`
	Latency   *Histogram    `json:"latency"` // from the write of a call to its answer
	Failures  Failures      `json:"failures"`
}

func (a *App) sign(text string) string {
	mac := hmac.New(sha256.New, []byte(a.Secret))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// Target is the path and query of a signed call; params, if any, are sorted
// and come behind those of the signature: body_md5 < filter_by_prefix < info.
func (a *App) Target(method, path string, body []byte, params string, now time.Time) string {
	query := fmt.Sprintf("auth_key=%s&auth_timestamp=%d&auth_version=1.0", a.Key, now.Unix())
	if len(body) > 0 {
		sum := md5.Sum(body)
		query += "&body_md5=" + hex.EncodeToString(sum[:])
	}
	if params != "" {
		query += "&" + params
	}
	path = "/apps/" + a.ID + path
	return path + "?" + query + "&auth_signature=" + a.sign(method+"\n"+path+"\n"+query)
}

// trigger is the whole request that publishes an event.
func (a *App) trigger(host, channel, data string, now time.Time) []byte {
	body := fmt.Appendf(nil, `{"name":"%s","channel":"%s","data":"%s"}`, eventName, channel, data)
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		a.Target("POST", "/events", body, "", now), host, len(body), body)
}

// eventName is the name of all events.
const eventName = "bench"

// delivered is what a subscriber gets of an event, byte for byte: the
// publisher's own string within what the protocol says.
func delivered(channel, data string) string {
	return `{"event":"` + eventName + `","channel":"` + channel + `","data":"` + data + `"}`
}

// seqDigits is how many digits the number of an event has, with which its data begins.
const seqDigits = 10

// dataOf is the data of event number seq, such that the subscriber's message
// has size bytes or, if that is too few, as many as it takes.
func dataOf(channel string, seq, size int) string {
	data := fmt.Sprintf("%0*d", seqDigits, seq)
	if more := size - len(delivered(channel, data)); more > 0 {
		data += strings.Repeat("x", more)
	}
	return data
}

// subscription is what a client sends to subscribe; presence channels are told
// that it is the user of that number.
func (a *App) subscription(socketID, channel string, user uint32) string {
	if !isPresence(channel) {
		return `{"event":"pusher:subscribe","data":{"auth":"","channel":"` + channel + `"}}`
	}
	// The object is signed as it is, and sent as a string.
	data := fmt.Sprintf(`{"user_id":"%d","user_info":{"name":"User %d"}}`, user, user)
	auth := a.Key + ":" + a.sign(socketID+":"+channel+":"+data)
	return `{"event":"pusher:subscribe","data":{"auth":"` + auth + `","channel":"` + channel + `","channel_data":"` + strings.ReplaceAll(data, `"`, `\"`) + `"}}`
}

func isPresence(channel string) bool { return strings.HasPrefix(channel, "presence-") }

// clientPath is where clients of the app connect.
func (a *App) clientPath() string {
	return "/app/" + a.Key + "?protocol=7&client=js&version=8.6.0&flash=false"
}
