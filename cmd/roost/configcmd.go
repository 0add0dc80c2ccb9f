package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
)

type genconfigCmd struct{}

// configTemplate has every key of a file, with its default.
//
//go:embed genconfig.toml
var configTemplate string

// Run prints a file with one new app and everything else commented out.
func (genconfigCmd) Run(env environment) error {
	t := &tenants{}
	if err := t.add(); err != nil {
		return err
	}
	app := t.apps[0]
	fill := strings.NewReplacer("{{id}}", app.ID, "{{key}}", app.Key, "{{secret}}", app.Secret)
	_, err := fill.WriteString(env.stdout, configTemplate)
	return err
}

type checkconfigCmd struct {
	File string `arg:"" optional:"" env:"ROOST_CONFIG" help:"The file; ROOST_CONFIG by default. Without either, the environment alone is checked."`
	JSON bool   `env:"-" help:"Print the result as JSON."`
}

// configSummary is what a good configuration amounts to.
type configSummary struct {
	File     string   `json:"file,omitempty"`
	Apps     []string `json:"apps"`
	Webhooks int      `json:"webhooks"`
	Listen   string   `json:"listen"`
	Admin    string   `json:"admin"`
}

// Run does what serve does with the file and the environment, up to what depends
// on the machine: whether descriptors and memory are enough, and addresses free.
func (c *checkconfigCmd) Run(env environment) error {
	var flags cli
	parser, err := newParser(&flags, env)
	if err != nil {
		return err
	}
	if _, err := parser.Parse([]string{"serve", "--config=" + c.File}); err != nil {
		return usageError(err)
	}
	t, err := flags.Serve.tenants()
	if err != nil {
		return exitf(exitUsage, "%v", err)
	}
	if err := flags.Serve.check(t); err != nil {
		return err
	}
	sum := configSummary{
		File: c.File, Apps: []string{}, Webhooks: t.endpoints(),
		Listen: flags.Serve.Listen.String(), Admin: flags.Serve.Admin.String(),
	}
	for _, app := range t.apps {
		if !t.made {
			sum.Apps = append(sum.Apps, app.ID)
		}
	}
	if c.JSON {
		return json.NewEncoder(env.stdout).Encode(sum)
	}
	fmt.Fprintf(env.stdout, "good: listens on %s, admin on %s, %s, %s\n",
		sum.Listen, sum.Admin, count(len(sum.Apps), "app"), count(sum.Webhooks, "webhook"))
	for _, app := range t.apps {
		if !t.made {
			fmt.Fprintf(env.stdout, "  app %s, key %s\n", app.ID, app.Key)
		}
	}
	if t.made {
		fmt.Fprintln(env.stdout, "no app is configured: serve would make one for each run")
	}
	return nil
}

// count writes a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
