package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// request is an order for a Session in another process. One field is set.
type request struct {
	Dial    *Dial    `json:"dial,omitempty"`
	Connect *Connect `json:"connect,omitempty"`
	Run     *Run     `json:"run,omitempty"`
	Check   *Check   `json:"check,omitempty"`
	Churn   *Churn   `json:"churn,omitempty"`
	Fanout  *Fanout  `json:"fanout,omitempty"`
	Updates *Updates `json:"updates,omitempty"`
	Join    *Join    `json:"join,omitempty"`
	Publish *Publish `json:"publish,omitempty"`
	Post    *Post    `json:"post,omitempty"`
}

// response is one line of the answer to a request: any number with progress,
// then one with the outcome.
type response struct {
	Progress *Progress       `json:"progress,omitempty"`
	Error    string          `json:"error,omitempty"`
	Outcome  json.RawMessage `json:"outcome,omitempty"`
}

// Worker gives orders to a Session in another process (see Serve). It carries
// out one order at a time.
type Worker struct {
	in  *json.Encoder
	out *json.Decoder
}

// NewWorker talks to a process that runs Serve on the other ends of in and out.
func NewWorker(in io.Writer, out io.Reader) *Worker {
	return &Worker{in: json.NewEncoder(in), out: json.NewDecoder(out)}
}

// Dial prepares for connections to one server.
func (w *Worker) Dial(d Dial) error { return w.do(request{Dial: &d}, nil, nil) }

// Connect is Session.Connect.
func (w *Worker) Connect(o Connect, progress func(Progress)) (*Opened, error) {
	r := new(Opened)
	return r, w.do(request{Connect: &o}, r, progress)
}

// Run is Session.Run.
func (w *Worker) Run(o Run, progress func(Progress)) (*Result, error) {
	r := new(Result)
	return r, w.do(request{Run: &o}, r, progress)
}

// Check is Session.Check.
func (w *Worker) Check(o Check) (*Checked, error) {
	r := new(Checked)
	return r, w.do(request{Check: &o}, r, nil)
}

// Churn is Session.Churn.
func (w *Worker) Churn(o Churn, progress func(Progress)) (*Churned, error) {
	r := new(Churned)
	return r, w.do(request{Churn: &o}, r, progress)
}

// Fanout is Session.Fanout.
func (w *Worker) Fanout(o Fanout, progress func(Progress)) (*Fanned, error) {
	r := new(Fanned)
	return r, w.do(request{Fanout: &o}, r, progress)
}

// Updates is ReceiveUpdates.
func (w *Worker) Updates(o Updates) (*Updated, error) {
	r := new(Updated)
	return r, w.do(request{Updates: &o}, r, nil)
}

// Join is Session.Join.
func (w *Worker) Join(o Join, progress func(Progress)) (*Joined, error) {
	r := new(Joined)
	return r, w.do(request{Join: &o}, r, progress)
}

// Publish is Session.Publish.
func (w *Worker) Publish(o Publish, progress func(Progress)) (*Fanned, error) {
	r := new(Fanned)
	return r, w.do(request{Publish: &o}, r, progress)
}

// Post is Session.Post.
func (w *Worker) Post(o Post, progress func(Progress)) (*Posted, error) {
	r := new(Posted)
	return r, w.do(request{Post: &o}, r, progress)
}

func (w *Worker) do(order request, outcome any, progress func(Progress)) error {
	if err := w.in.Encode(order); err != nil {
		return fmt.Errorf("load: the worker takes no orders: %w", err)
	}
	for {
		var r response
		switch err := w.out.Decode(&r); {
		case err != nil:
			return fmt.Errorf("load: the worker is gone: %w", err)
		case r.Error != "":
			return errors.New(r.Error)
		case r.Progress != nil:
			if progress != nil {
				progress(*r.Progress)
			}
		case outcome == nil:
			return nil
		default:
			return json.Unmarshal(r.Outcome, outcome)
		}
	}
}
