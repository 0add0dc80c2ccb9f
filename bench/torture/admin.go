package torture

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"
)

// admin is the address for operators of a server in Go: /metrics in the text
// format of Prometheus and /debug/pprof/.
type admin struct {
	url    string
	client http.Client
}

func newAdmin(url string) *admin {
	return &admin{url: strings.TrimRight(url, "/"), client: http.Client{
		Transport: &http.Transport{DisableKeepAlives: true}, // a connection kept would count as the server's
		Timeout:   10 * time.Second,
	}}
}

// figures are metrics by name and labels, as they stand in the text.
type figures map[string]float64

func (a *admin) get(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+path, nil)
	if err != nil {
		return "", err
	}
	res, err := a.client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s", path, res.Status)
	}
	return string(text), err
}

// figures reads all metrics; collect has the garbage collected first, twice,
// because what pools keep outlives one collection.
func (a *admin) figures(ctx context.Context, collect bool) (figures, error) {
	profile := ""
	for range 2 {
		if !collect {
			break
		}
		var err error
		if profile, err = a.get(ctx, "/debug/pprof/heap?gc=1&debug=1"); err != nil {
			return nil, err
		}
	}
	text, err := a.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	f, err := parseFigures(text)
	if err != nil {
		return nil, err
	}
	// The profile has the heap as it was behind the collection; the metrics add the
	// garbage that writing the profile makes.
	if found := heapAlloc.FindStringSubmatch(profile); found != nil {
		f[heapFigure], err = strconv.ParseFloat(found[1], 64)
	}
	return f, err
}

var heapAlloc = regexp.MustCompile(`(?m)^# HeapAlloc = ([0-9]+)$`)

func parseFigures(text string) (figures, error) {
	f := figures{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		if at < 0 {
			return nil, fmt.Errorf("not a metric: %q", line)
		}
		v, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("not a metric: %q", line)
		}
		f[line[:at]] = v
	}
	return f, lines.Err()
}

// sum adds all metrics of a name, whatever their labels.
func (f figures) sum(names ...string) (total float64) {
	for key, v := range f {
		bare, _, _ := strings.Cut(key, "{")
		for _, name := range names {
			if bare == name {
				total += v
			}
		}
	}
	return total
}

// unlike names what one has and the other has not.
func (f figures) unlike(o figures) []string {
	var names []string
	for key := range f {
		if _, ok := o[key]; !ok {
			names = append(names, key)
		}
	}
	sort.Strings(names)
	return names
}

// Names of what a server shows here; those that it does not show are not looked at.
const (
	goroutinesFigure = "go_goroutines"
	heapFigure       = "go_memstats_heap_alloc_bytes"
	waitingFigure    = "roost_outbound_bytes"
	closesFigure     = "roost_closes_total"
	panicsFigure     = "roost_panics_total"
	messagesFigure   = "roost_messages_received_total"
	publishedFigure  = "roost_published_total"
	alertsFigure     = "roost_tls_failures_total"
	answersFigure    = "roost_http_refusals_total" // by status; those of handshakes have the others
)

var refusalFigures = []string{"roost_handshakes_refused_total", answersFigure}
