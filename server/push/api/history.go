package api

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/internal/rawjson"
)

// defaultRecall is how many events a call gets that does not say.
const defaultRecall = 100

// getHistory tells what a channel keeps: the last events, or those since an id.
func (c *call) getHistory() ([]byte, error) {
	limit := defaultRecall
	if text, ok := c.params["limit"]; ok {
		var err error
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > push.MaxRecall {
			return nil, invalid("limit", fmt.Errorf("use a number from 1 to %d", push.MaxRecall))
		}
	}
	got, err := c.hub.History(c.app.ID, c.names[0], c.params["since"], limit)
	switch {
	case errors.Is(err, push.ErrNoHistory):
		return nil, invalid("channel", fmt.Errorf("%.250q keeps no history: no rule of the app's matches it", c.names[0]))
	case err != nil:
		return nil, publishFailure(err)
	}
	b := []byte(`{"id":`)
	if got.ID == "" {
		b = append(b, "null"...)
	} else {
		b = rawjson.AppendQuote(b, got.ID)
	}
	b = append(b, `,"complete":`...)
	b = strconv.AppendBool(b, got.Complete)
	b = append(b, `,"more":`...)
	b = strconv.AppendBool(b, got.More)
	b = append(b, `,"events":[`...)
	for i, event := range got.Events {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, event...)
	}
	return append(b, "]}"...), nil
}
