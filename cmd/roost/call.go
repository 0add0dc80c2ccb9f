package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/roost-ws/roost/server/push"
)

// callFlags say which server a command calls, as whom, and how it answers.
type callFlags struct {
	Host        host            `default:"localhost:6001" placeholder:"HOST:PORT" help:"The server: HOST:PORT, https://HOST, or unix:PATH (${default})."`
	Credentials credentialFlags `embed:""`
	Timeout     time.Duration   `default:"10s" placeholder:"D" help:"How long to wait for the answer (${default})."`
	JSON        bool            `env:"-" help:"Print the server's answer as it is, which is JSON."`
}

// replyBytes is the largest answer that is read: the list of some 100,000 channels.
const replyBytes = 64 << 20

// host is where calls go.
type host struct {
	base   string // http://host:port
	socket string // the unix socket to dial instead, or ""
}

func (h *host) UnmarshalText(text []byte) error {
	s := string(text)
	if path, ok := strings.CutPrefix(s, "unix:"); ok && path != "" {
		*h = host{base: "http://localhost", socket: path}
		return nil
	}
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%q is no server: write localhost:6001, https://ws.example.com or unix:/run/roost.sock", text)
	}
	*h = host{base: u.Scheme + "://" + u.Host}
	return nil
}

// call makes one signed call. path begins below /apps/{id} and is escaped;
// params are the query without what signs it.
func (f *callFlags) call(app push.App, method, path string, params map[string]string, body []byte) ([]byte, error) {
	path = "/apps/" + url.PathEscape(app.ID) + path
	query := signedQuery(app, method, path, params, body, time.Now())
	ctx, cancel := context.WithTimeout(context.Background(), f.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, f.Host.base+path+"?"+query, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	if f.Host.socket != "" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", f.Host.socket)
		}
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		// The URL in the text has the signature, which is good for ten minutes.
		var inner *url.Error
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return nil, exitf(exitUnreachable, "no answer from %s: %v", f.Host, err)
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, replyBytes))
	switch {
	case err != nil:
		return nil, exitf(exitUnreachable, "%s did not answer in full: %v", f.Host, err)
	case resp.StatusCode/100 != 2:
		return nil, exitf(exitRefused, "%s refused the call: %s: %s", f.Host, resp.Status, strings.TrimSpace(string(reply)))
	}
	return reply, nil
}

func (h host) String() string {
	if h.socket != "" {
		return "unix:" + h.socket
	}
	return h.base
}

// signedQuery returns the query of a call with its signature, an HMAC of the
// method, the path and the query, sorted and not escaped.
func signedQuery(app push.App, method, path string, params map[string]string, body []byte, now time.Time) string {
	all := map[string]string{
		"auth_key": app.Key, "auth_timestamp": strconv.FormatInt(now.Unix(), 10), "auth_version": "1.0",
	}
	maps.Copy(all, params)
	if len(body) > 0 {
		sum := md5.Sum(body)
		all["body_md5"] = hex.EncodeToString(sum[:])
	}
	var plain []string
	escaped := url.Values{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		plain = append(plain, name+"="+all[name])
		escaped.Set(name, all[name])
	}
	escaped.Set("auth_signature", signature(app.Secret, method+"\n"+path+"\n"+strings.Join(plain, "&")))
	return escaped.Encode()
}

// signature is what proves that somebody knows the secret.
func signature(secret, text string) string {
	return hex.EncodeToString(digest(secret, text))
}

func digest(secret, text string) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// get asks for JSON, prints it if people want it like that, and decodes it otherwise.
func (f *callFlags) get(env environment, path string, params map[string]string, into any) (printed bool, err error) {
	app, err := f.Credentials.app()
	if err != nil {
		return false, err
	}
	reply, err := f.call(app, http.MethodGet, path, params, nil)
	if err != nil {
		return false, err
	}
	return f.answer(env, reply, into)
}

// post sends JSON; otherwise it is get.
func (f *callFlags) post(env environment, path string, body, into any) (printed bool, err error) {
	app, err := f.Credentials.app()
	if err != nil {
		return false, err
	}
	text, err := json.Marshal(body)
	if err != nil {
		return false, err
	}
	reply, err := f.call(app, http.MethodPost, path, nil, text)
	if err != nil {
		return false, err
	}
	return f.answer(env, reply, into)
}

func (f *callFlags) answer(env environment, reply []byte, into any) (printed bool, err error) {
	if f.JSON {
		_, err := fmt.Fprintf(env.stdout, "%s\n", bytes.TrimSpace(reply))
		return true, err
	}
	if err := json.Unmarshal(reply, into); err != nil {
		return false, exitf(exitFailure, "%s answered what is not the API's JSON: %v", f.Host, err)
	}
	return false, nil
}
