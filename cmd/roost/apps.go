package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/webhook"
)

// appFlags are one app, as flags or the environment say it.
type appFlags struct {
	ID         string `name:"id" help:"The app's id in the HTTP API, digits. With no app at all, one is made and printed."`
	Key        string `help:"The app's key, which clients connect with."`
	Secret     string `help:"The app's secret, which signs calls of the HTTP API. Better set in the environment: a command line can be read by others."`
	SecretFile string `placeholder:"FILE" help:"A file with the app's secret, in place of the secret itself."`

	ClientEvents bool `help:"Let clients of the app send events to each other on private and presence channels."`
}

// aliases are what the variables of other servers begin with. They count when
// nothing of roost's own names an app, so that people can move without editing.
var aliases = []string{"PUSHER_APP_", "REVERB_APP_", "SOKETI_DEFAULT_APP_", "SOCKUDO_DEFAULT_APP_"}

// tenants are all apps of a server, and who hears of them.
type tenants struct {
	apps     []push.App
	webhooks webhook.Config
	from     string // where they are configured, for people
	made     bool   // there was none, so one was made
	file     *file  // nil when there is none
}

// tenants collects the apps: those of the file, with the flags' one among them;
// or else one that another server's variables name; or else a made one.
func (s *serveCmd) tenants() (*tenants, error) {
	t := &tenants{}
	if s.Config != "" {
		f, err := readFile(s.Config)
		if err != nil {
			return nil, err
		}
		if err := t.addFile(f); err != nil {
			return nil, err
		}
	}
	if err := t.addFlags(s.App); err != nil {
		return nil, err
	}
	if len(t.apps) == 0 {
		if err := t.addAlias(s.App.ClientEvents); err != nil {
			return nil, err
		}
	}
	switch {
	case len(t.apps) > 0:
	case s.Config != "":
		return nil, fmt.Errorf("%s: there is no app: add [[apps]] (roost genconfig shows how), or set ROOST_APP_ID, ROOST_APP_KEY and ROOST_APP_SECRET", s.Config)
	default:
		if err := t.add(); err != nil {
			return nil, err
		}
	}
	return t, t.check(cmp.Or(s.Config, t.from))
}

// addFile adds the apps of a file.
func (t *tenants) addFile(f *file) error {
	t.file, t.webhooks = f, f.Webhooks.config(f)
	for i := range f.Apps {
		app, err := f.Apps[i].app(f)
		if err != nil {
			return err
		}
		t.apps = append(t.apps, app)
		if endpoints := f.Apps[i].endpoints(); endpoints != nil {
			t.webhooks.Apps = append(t.webhooks.Apps, webhook.App{ID: app.ID, Endpoints: endpoints})
		}
		t.from = f.path
	}
	return nil
}

// addFlags adds the app of the flags. One that the file has too keeps what the
// flags do not say; so a secret can come from the environment.
func (t *tenants) addFlags(flags appFlags) error {
	app, err := flags.app("ROOST_APP_SECRET")
	if err != nil || app.ID+app.Key+app.Secret == "" {
		return err
	}
	t.from = strings.TrimPrefix(t.from+", flags or environment", ", ")
	if i := slices.IndexFunc(t.apps, func(a push.App) bool { return app.ID == a.ID }); i >= 0 {
		t.apps[i].Key = cmp.Or(app.Key, t.apps[i].Key)
		t.apps[i].Secret = cmp.Or(app.Secret, t.apps[i].Secret)
		t.apps[i].ClientEvents = app.ClientEvents || t.apps[i].ClientEvents
		return nil
	}
	if app.ID == "" || app.Key == "" || app.Secret == "" {
		return errors.New("--app-id, --app-key and --app-secret belong together: set all three (or ROOST_APP_ID, ROOST_APP_KEY and ROOST_APP_SECRET), or none to have an app made")
	}
	t.apps = append(t.apps, app)
	return nil
}

// app returns the app of the flags, and an empty one when there is none. secret
// names what the secret is set with.
func (f appFlags) app(secret string) (push.App, error) {
	app := push.App{ID: f.ID, Key: f.Key, Secret: f.Secret, ClientEvents: f.ClientEvents}
	switch {
	case f.SecretFile == "":
		return app, nil
	case f.Secret != "":
		return app, fmt.Errorf("%s and %[1]s_FILE are both set: leave one out", secret)
	}
	var err error
	if app.Secret, err = readSecret(f.SecretFile); err != nil {
		return app, fmt.Errorf("%s_FILE: %w", secret, err)
	}
	return app, nil
}

// addAlias adds the app that variables of another server name in full. One that
// is named by half is a mistake, unless another one is whole.
func (t *tenants) addAlias(clientEvents bool) error {
	var half error
	for _, prefix := range aliases {
		flags := appFlags{
			ID: os.Getenv(prefix + "ID"), Key: os.Getenv(prefix + "KEY"),
			Secret: os.Getenv(prefix + "SECRET"), SecretFile: os.Getenv(prefix + "SECRET_FILE"),
			ClientEvents: clientEvents,
		}
		app, err := flags.app(prefix + "SECRET")
		switch {
		case err != nil:
			return err
		case app.ID != "" && app.Key != "" && app.Secret != "":
			t.apps, t.from = []push.App{app}, prefix+"*"
			return nil
		case app.ID+app.Key+app.Secret != "" && half == nil:
			half = fmt.Errorf("%sID, %[1]sKEY and %[1]sSECRET belong together: set all three, or ROOST_APP_ID, ROOST_APP_KEY and ROOST_APP_SECRET", prefix)
		}
	}
	return half
}

// add makes an app for a server that has none. It is for trying things out, so
// it allows what clients ask for.
func (t *tenants) add() error {
	// Some SDKs insist on an id of digits.
	n, err := rand.Int(rand.Reader, big.NewInt(900_000))
	if err != nil {
		return err
	}
	t.apps = []push.App{{
		ID: strconv.FormatInt(100_000+n.Int64(), 10), Key: random(10), Secret: random(16),
		ClientEvents: true, SubscriptionCount: true,
	}}
	t.from, t.made = "nowhere: made for this run", true
	return nil
}

// random returns n random bytes in hex.
func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails; crypto/rand ends the process if the system has no randomness
	return hex.EncodeToString(b)
}

// check has the packages that will serve the apps look at them, without serving
// anything, and gives webhooks the keys that apps turned out to have.
func (t *tenants) check(where string) error {
	for i := range t.webhooks.Apps {
		w := &t.webhooks.Apps[i]
		app := t.apps[slices.IndexFunc(t.apps, func(a push.App) bool { return a.ID == w.ID })]
		w.Key, w.Secret = app.Key, app.Secret
	}
	if _, err := push.New(push.Config{Apps: t.apps}); err != nil {
		return fmt.Errorf("%s: %s", where, strings.TrimPrefix(err.Error(), "push: "))
	}
	trial := t.webhooks
	trial.Path = "" // a running server may have it open
	sender, err := webhook.New(trial)
	if err != nil {
		return fmt.Errorf("%s: %s", where, strings.TrimPrefix(err.Error(), "webhook: "))
	}
	now, cancel := context.WithCancel(context.Background())
	cancel()
	return sender.Close(now) // nothing was sent, so nothing is lost
}

// endpoints is how many webhooks there are.
func (t *tenants) endpoints() int {
	n := 0
	for _, app := range t.webhooks.Apps {
		n += len(app.Endpoints)
	}
	return n
}
