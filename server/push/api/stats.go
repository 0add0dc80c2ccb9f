package api

// CallStats counts the calls of one app whose callers have proved to be its own.
type CallStats struct {
	Calls    uint64
	TooMany  uint64 // of these, over the app's rate
	Received uint64 // bytes of bodies
	Sent     uint64 // bytes of replies that are no errors
}

// Stats returns the counters of an app since the start.
func (h *Handler) Stats(appID string) CallStats {
	h.mu.Lock()
	defer h.mu.Unlock()
	if from := h.callers[appID]; from != nil {
		return from.stats
	}
	return CallStats{}
}

// done ends a call of an app that admit let in.
func (h *Handler) done(from *caller, received, sent int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls--
	from.stats.Received += uint64(received)
	from.stats.Sent += uint64(sent)
}
