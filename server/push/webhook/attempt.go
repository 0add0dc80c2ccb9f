package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// newClient makes the client that all attempts share.
func newClient(config *Config) *http.Client {
	transport := config.transport
	if transport == nil {
		dialer := &net.Dialer{Timeout: config.AttemptTimeout, ControlContext: control(config.AllowNetworks)}
		transport = &http.Transport{
			// No proxy: it would do the dialling, and nobody would look at addresses.
			Proxy:                  nil,
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    config.AttemptTimeout,
			MaxResponseHeaderBytes: answerHeader,
			DisableCompression:     true, // nothing is made of what receivers answer
			MaxIdleConns:           idleConns,
			MaxIdleConnsPerHost:    config.Limits.InFlight,
			IdleConnTimeout:        idleTimeout,
		}
	}
	return &http.Client{
		Transport: transport,
		// A receiver that has moved is for its owner to configure, not for
		// whoever answers at the old place to say.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// request is what an attempt needs to know, so that it needs no lock.
type request struct {
	url, key, secret string
	headers          http.Header // shared, read only
	body             []byte
}

// post makes one attempt. Any 2xx is a success.
func (s *Sender) post(ctx context.Context, r request) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.AttemptTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(r.body))
	if err != nil {
		return err
	}
	req.Header = r.headers.Clone()
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "roost")
	}
	// SDKs compare the type with exactly this, and refuse one with a charset.
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Pusher-Key", r.key)
	req.Header.Set("X-Pusher-Signature", sign(r.secret, r.body))
	res, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	// "101 Switching Protocols" gives us the connection for a body, on which the
	// context has no say: reading it would last for as long as the receiver likes.
	if res.StatusCode != http.StatusSwitchingProtocols {
		// What was answered counts, not how the rest of the answer ends.
		io.CopyN(io.Discard, res.Body, answerBody)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return errors.New(strings.TrimSpace(fmt.Sprintf("the answer was %d %s", res.StatusCode, http.StatusText(res.StatusCode))))
	}
	return nil
}

// sign returns the HMAC-SHA256 of body, as hex digits.
func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// reasonOf says why an attempt failed, short enough for a list.
func reasonOf(err error) string {
	if e, ok := errors.AsType[*url.Error](err); ok {
		if e.Timeout() {
			return "no answer in time"
		}
		err = e.Err // without the URL, which stands next to it
	}
	text := err.Error()
	return text[:min(len(text), reasonBytes)]
}

// backOff is the pause after so many failures in a row.
func (s *Sender) backOff(failures int) time.Duration {
	pause := s.config.RetryMin
	for range failures - 1 {
		if pause > s.config.RetryMax/2 {
			pause = s.config.RetryMax
			break
		}
		pause *= 2
	}
	// Half of it at random, so that what failed together does not return together.
	return pause - rand.N(pause/2+1)
}
