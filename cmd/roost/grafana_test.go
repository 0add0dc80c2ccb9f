package main

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

// queries returns every query in a part of a dashboard.
func queries(part any) (all []string) {
	switch part := part.(type) {
	case map[string]any:
		for key, value := range part {
			if text, ok := value.(string); ok && (key == "expr" || key == "definition") {
				all = append(all, text)
			}
			all = append(all, queries(value)...)
		}
	case []any:
		for _, value := range part {
			all = append(all, queries(value)...)
		}
	}
	return all
}

// Every metric and label that the dashboard asks for is what a server with apps
// and webhooks has.
func TestGrafanaDashboard(t *testing.T) {
	text, err := os.ReadFile("../../docs/grafana/roost.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard map[string]any
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	config := write(t, "roost.toml", appText("1", "one")+"[[apps.webhooks]]\nurl = \"https://example.com/\"\n")
	p := start(t, []string{"ROOST_CONFIG=" + config}, "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	dialApp(t, p, "one").hears() // some figures need a connection
	_, metrics := get(t, "http://"+p.admin+"/metrics")
	labels := make(map[string]string) // of each metric, on one of its lines
	for _, m := range regexp.MustCompile(`(?m)^([a-z_]+)(\{.*\})? `).FindAllStringSubmatch(metrics, -1) {
		labels[m[1]] = m[2]
	}
	asked := make(map[string]bool)
	label := regexp.MustCompile(`([a-z_]+)=~?"`)
	by := regexp.MustCompile(`by \(([a-z_, ]+)\)`)
	for _, query := range queries(dashboard) {
		for _, m := range regexp.MustCompile(`\b((?:roost|process|go)_[a-z_]+)(\{[^}]*\})?`).FindAllStringSubmatch(query, -1) {
			asked[m[1]] = true
			has, ok := labels[m[1]]
			if !ok {
				t.Errorf("nothing is called %s, which is asked for by %s", m[1], query)
				continue
			}
			var needs []string
			for _, l := range label.FindAllStringSubmatch(m[2], -1) {
				needs = append(needs, l[1])
			}
			for _, l := range by.FindAllStringSubmatch(query, -1) {
				needs = append(needs, strings.Split(l[1], ", ")...)
			}
			for _, l := range needs {
				if l != "instance" && !strings.Contains(has, l+`="`) { // that one is Prometheus's own
					t.Errorf("%s has no label %s, which is asked for by %s", m[1], l, query)
				}
			}
		}
	}
	if len(asked) < 40 {
		t.Errorf("the dashboard asks for %d metrics", len(asked))
	}
}
