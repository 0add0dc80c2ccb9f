package load

import (
	"encoding/json"
	"errors"
	"io"
)

// Serve carries out the orders it reads from in until in ends. It is the main
// loop of a worker process; its parent's death ends it.
func Serve(in io.Reader, out io.Writer) error {
	orders, answers := json.NewDecoder(in), json.NewEncoder(out)
	var s *Session
	defer func() {
		if s != nil {
			s.Close()
		}
	}()
	progress := func(p Progress) { _ = answers.Encode(response{Progress: &p}) }
	for {
		var r request
		if err := orders.Decode(&r); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		var outcome any
		var err error
		switch {
		case r.Dial != nil:
			if s != nil {
				s.Close()
			}
			s, err = NewSession(*r.Dial)
		case s == nil:
			err = errors.New("load: an order before the first dial")
		case r.Connect != nil:
			outcome, err = s.Connect(*r.Connect, progress)
		case r.Run != nil:
			outcome, err = s.Run(*r.Run, progress)
		case r.Check != nil:
			outcome, err = s.Check(*r.Check)
		case r.Churn != nil:
			outcome, err = s.Churn(*r.Churn, progress)
		case r.Fanout != nil:
			outcome, err = s.Fanout(*r.Fanout, progress)
		case r.Updates != nil:
			outcome, err = ReceiveUpdates(s.dial, *r.Updates)
		case r.Join != nil:
			outcome, err = s.Join(*r.Join, progress)
		case r.Publish != nil:
			outcome, err = s.Publish(*r.Publish, progress)
		case r.Post != nil:
			outcome, err = s.Post(*r.Post, progress)
		}
		var answer response
		if err != nil {
			answer.Error = err.Error()
		} else if answer.Outcome, err = json.Marshal(outcome); err != nil {
			answer.Error = err.Error()
		}
		if err := answers.Encode(answer); err != nil {
			return err
		}
	}
}
