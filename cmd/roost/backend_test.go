package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/pusher/pusher-http-go/v5"
)

// masterKey is what an application encrypts with; roost never sees it.
const masterKey = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// newSDK is pusher-http-go set up as its documentation says, but for the host.
func newSDK(p *program) *pusher.Client {
	return &pusher.Client{
		AppID: appID, Key: appKey, Secret: appSecret, Host: p.addr, EncryptionMasterKeyBase64: masterKey,
		HTTPClient: &http.Client{Timeout: patience},
	}
}

// backend is a customer's server, of another origin than roost's: it authorises
// subscriptions and authenticates users with an official SDK. Who asks is in the
// query, where an application has a session; whom they watch is fixed.
func backend(t *testing.T, p *program) (address string) {
	t.Helper()
	sdk := newSDK(p)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Allow-Headers", "*")
		if r.Method == http.MethodOptions {
			return
		}
		user := r.URL.Query().Get("user")
		params, err := io.ReadAll(r.Body)
		var reply []byte
		switch {
		case err != nil:
		case user == "nobody":
			http.Error(w, "not allowed", http.StatusForbidden)
			return
		case r.URL.Path == "/user":
			reply, err = sdk.AuthenticateUser(params, map[string]any{
				"id": user, "user_info": map[string]any{"name": "M" + user}, "watchlist": []string{"watched"},
			})
		case strings.HasPrefix(channelIn(params), "presence-"):
			reply, err = sdk.AuthorizePresenceChannel(params, pusher.MemberData{UserID: user, UserInfo: map[string]string{"name": "M" + user}})
		default:
			reply, err = sdk.AuthorizePrivateChannel(params)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, "%s", reply)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// channelIn is the channel that the body of an authorisation request names.
func channelIn(params []byte) string {
	form, err := url.ParseQuery(string(params))
	if err != nil {
		return ""
	}
	return form.Get("channel_name")
}
