package webhook

import (
	"context"
	"fmt"
	"time"
)

// Close delivers what it can until ctx ends, and keeps the rest in the store. It
// waits for what is held back and for first attempts, not for deliveries that
// failed and are to be tried again later. Without a store it waits for those
// too, and what is left is lost, which is an error. Notices that come during
// or after Close are dropped.
//
// Leavings that ctx leaves no time to tell of are held back again by the next
// Sender, and are suppressed when it hears in time that people are back: close
// with a short ctx before a quick restart.
func (s *Sender) Close(ctx context.Context) error {
	s.close.Do(func() { s.closeErr = s.end(ctx) })
	return s.closeErr
}

func (s *Sender) end(ctx context.Context) error {
	s.inbox.close()
	s.mu.Lock()
	s.closing = true
	for _, ep := range s.list {
		ep.shut(time.Now())
	}
	s.mu.Unlock()
	s.wake()
	select {
	case <-s.drained:
	case <-ctx.Done():
	}
	close(s.stop)
	<-s.stopped
	s.cancel()
	s.attempts.Wait()
	s.client.CloseIdleConnections()

	s.mu.Lock()
	s.takeIn(time.Now()) // what came in last
	left, held := 0, s.holds.len()
	for _, ep := range s.list {
		left += ep.waiting()
	}
	s.mu.Unlock()
	if s.saving.store != nil {
		return s.closeStore()
	}
	if left+held > 0 {
		return fmt.Errorf("webhook: %d deliveries and %d notices held back are lost: there is no store", left, held)
	}
	return nil
}

// noteDrained tells Close when there is nothing left to wait for.
func (s *Sender) noteDrained(now time.Time) {
	if !s.closing || s.holds.len() > 0 || s.inFlight > 0 {
		return
	}
	for _, ep := range s.list {
		if len(ep.fresh) > 0 || len(ep.retry) > 0 && s.saving.store == nil {
			return
		}
		if d, at := ep.next(s.config.Limits.InFlight); d != nil && !at.After(now) {
			return
		}
	}
	select {
	case <-s.drained:
	default:
		close(s.drained)
	}
}
