package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/roost-ws/roost/bench/proc"
	"github.com/roost-ws/roost/bench/run"
	"github.com/roost-ws/roost/bench/scenario"
)

// Header describes a run: it is the first line of its file.
type Header struct {
	Started   time.Time     `json:"started"`
	Command   []string      `json:"command"`
	Machine   proc.Machine  `json:"machine"`
	Servers   []*run.Server `json:"servers"`
	Scenarios []Described   `json:"scenarios"`
}

// Described is what a reader needs to know of a scenario.
type Described struct {
	Name     string         `json:"name"`
	Need     scenario.Need  `json:"need"`
	Rounds   int            `json:"rounds"`
	Settings map[string]any `json:"settings"`
}

// line is one line of a results file: one of its fields is set.
type line struct {
	Header *Header          `json:"header,omitempty"`
	Sample *scenario.Sample `json:"sample,omitempty"`
}

// Results are a run as it was written down.
type Results struct {
	Header  Header
	Samples []scenario.Sample
}

// Writer writes a run down as it goes, one JSON value on each line.
type Writer struct {
	enc *json.Encoder
}

// NewWriter writes the header.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	out := &Writer{json.NewEncoder(w)}
	return out, out.enc.Encode(line{Header: &h})
}

// Add writes a sample.
func (w *Writer) Add(s scenario.Sample) error { return w.enc.Encode(line{Sample: &s}) }

// Read reads a run.
func Read(r io.Reader) (*Results, error) {
	var all Results
	dec := json.NewDecoder(bufio.NewReader(r))
	for n := 1; ; n++ {
		var l line
		if err := dec.Decode(&l); err == io.EOF {
			break
		} else if err != nil {
			return nil, fmt.Errorf("report: line %d: %w", n, err)
		}
		if l.Header != nil {
			all.Header = *l.Header
		}
		if l.Sample != nil {
			all.Samples = append(all.Samples, *l.Sample)
		}
	}
	if all.Header.Started.IsZero() {
		return nil, fmt.Errorf("report: the file has no header line")
	}
	return &all, nil
}
