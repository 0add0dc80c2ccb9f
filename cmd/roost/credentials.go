package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/roost-ws/roost/server/push"
)

// credentialFlags say as which app a command speaks. They read the variables that
// serve reads, so that both find the same app.
type credentialFlags struct {
	AppID      string `name:"app-id" help:"The app's id."`
	Key        string `env:"ROOST_APP_KEY" help:"The app's key."`
	Secret     string `env:"ROOST_APP_SECRET" help:"The app's secret. Better set in the environment: a command line can be read by others."`
	SecretFile string `env:"ROOST_APP_SECRET_FILE" placeholder:"FILE" help:"A file with the app's secret."`
	Config     string `placeholder:"FILE" help:"The server's configuration file, to take key and secret from; --app-id chooses among its apps."`
}

// app returns the app to speak as: that of the flags, completed from the file;
// or one that another server's variables name.
func (f *credentialFlags) app() (push.App, error) {
	app, err := appFlags{ID: f.AppID, Key: f.Key, Secret: f.Secret, SecretFile: f.SecretFile}.app("ROOST_APP_SECRET")
	if err == nil && f.Config != "" && (app.ID == "" || app.Key == "" || app.Secret == "") {
		app, err = f.complete(app)
	}
	if err == nil && app.ID+app.Key+app.Secret == "" {
		var t tenants
		if err = t.addAlias(false); len(t.apps) > 0 {
			app = t.apps[0]
		}
	}
	if err == nil && (app.ID == "" || app.Key == "" || app.Secret == "") {
		err = errors.New("which app? set --app-id, --key and --secret (or ROOST_APP_ID, ROOST_APP_KEY and ROOST_APP_SECRET), or --config FILE")
	}
	if err != nil {
		return app, exitf(exitUsage, "%v", err)
	}
	return app, nil
}

// complete takes what app lacks from the file.
func (f *credentialFlags) complete(app push.App) (push.App, error) {
	read, err := readFile(f.Config)
	if err != nil {
		return app, err
	}
	var ids []string
	for i := range read.Apps {
		ids = append(ids, read.Apps[i].ID)
	}
	i := slices.Index(ids, app.ID)
	switch {
	case app.ID == "" && len(ids) == 1:
		i = 0
	case app.ID == "":
		return app, fmt.Errorf("%s has %s: choose one with --app-id %s", f.Config, count(len(ids), "app"), strings.Join(ids, "|"))
	case i < 0:
		return app, fmt.Errorf("%s has no app %s, but %s", f.Config, app.ID, cmp.Or(strings.Join(ids, ", "), "none at all"))
	}
	if app.Secret != "" { // and then the file need not have one
		read.Apps[i].Secret, read.Apps[i].SecretFile = app.Secret, ""
	}
	found, err := read.Apps[i].app(read)
	found.Key = cmp.Or(app.Key, found.Key)
	return found, err
}
