package server

import (
	"sync/atomic"

	"github.com/roost-ws/roost/server/internal/handshake"
)

// Stats is a snapshot of a server's counters. Those that are not said to be
// present figures only grow.
type Stats struct {
	Conns                                int64 // present connections, as Limits.Conns counts them
	Connecting, Open, Closing, Lingering int64 // the same by state; those being turned away linger, too
	HTTP                                 int64 // present connections that are with Config.HTTP
	Streams                              int64 // present connections that are streams, in any state
	Held                                 int64 // present bytes that Limits.Held counts
	Outbound                             int64 // present bytes that wait for clients who read slowly, and what keeping them costs

	Draining  bool  // Shutdown has begun
	DrainFrom int64 // connections that there were then; 0 before

	Accepted, Opened, Closed     uint64
	Messages                     uint64 // whole messages received
	Inflated                     uint64 // those of them that came compressed
	Deflated                     uint64 // messages that were compressed, to be sent: a Prepared once for all who get it
	DeflatedFrom, DeflatedTo     uint64 // the bytes of these, before and after
	BytesReceived, BytesSent     uint64
	Pings                        uint64 // Pings sent
	OverConns, OverAddress       uint64 // turned away: Limits.Conns, Limits.ConnsPerAddress
	OverHandshakes               uint64 // turned away: Limits.Handshakes
	OverHTTP                     uint64 // turned away: Limits.HTTPConns
	OverHeld                     uint64 // turned away: three quarters of Limits.Held
	Shed                         uint64 // connections closed for Limits.Held
	Refused                      uint64 // closed without a word: too many to be told why, or accepted when all was over
	HandshakeTimeouts            uint64
	TLSHandshakes, TLSFailures   uint64 // done; TLS that broke, in the handshake or later
	TLSTimeouts                  uint64 // cut: handshakes by Timeouts.TLSHandshake, records that do not end by Timeouts.Message
	TLSOffloaded                 uint64 // connections of which the kernel does the TLS since their opening
	MessageTimeouts              uint64
	IdleTimeouts, PongTimeouts   uint64
	Unacknowledged               uint64 // connections that TCP gave up, as StreamAckTimeout has it do with streams: nobody acknowledged what they were sent
	CloseTimeouts                uint64 // peers that did not answer our Close, or did not end their stream
	SlowConsumers                uint64 // connections closed for Limits.Outbound or Timeouts.Stall
	DroppedNewest, DroppedOldest uint64 // messages dropped by Config.SlowConsumer
	Panics                       uint64 // of callbacks
	AcceptShortages              uint64 // pauses in accepting for want of descriptors or memory
	LoopMoves                    uint64 // loops moved away from a callback that blocked
	SlowModes                    uint64 // times that loops began to leave callbacks to workers

	// Refusals counts opening handshakes that got an HTTP error, by cause, and under
	// syntax what was no request on a connection that had served others. Closes counts
	// ended connections by the code that OnClose got, those of the ranges 3000 and 4000
	// under 3000 and 4000. Both sets of keys are closed.
	Refusals map[string]uint64
	Closes   map[StatusCode]uint64
}

type counters struct {
	states [stateClosed + 1]atomic.Int64

	Streams atomic.Int64

	Opened, Pings, OverConns, OverAddress, OverHTTP, OverHandshakes, OverHeld, Shed atomic.Uint64
	HandshakeTimeouts, MessageTimeouts, IdleTimeouts                                atomic.Uint64
	PongTimeouts, CloseTimeouts, SlowConsumers, Panics                              atomic.Uint64

	refusals [handshake.Causes]atomic.Uint64
	closes   [len(closeCodes)]atomic.Uint64
}

// loopCounters are counted for each message: a cache line for each loop.
type loopCounters struct {
	messages, inflated, deflated atomic.Uint64
	deflatedFrom, deflatedTo     atomic.Uint64
	_                            [24]byte
}

var closeCodes = [...]StatusCode{1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4000}

func (s *counters) countClose(code StatusCode) {
	if code >= 3000 {
		code -= code % 1000
	}
	for i, c := range closeCodes {
		if c == code {
			s.closes[i].Add(1)
		}
	}
}

// Stats returns the counters' present state. They are read one after the other.
func (s *Server) Stats() Stats {
	c, e := &s.stats, &s.engine.Counts
	st := Stats{
		Conns:      s.conns.Load(),
		Connecting: c.states[stateConnecting].Load(), Open: c.states[stateOpen].Load(),
		Closing: c.states[stateClosing].Load(), Lingering: c.states[stateLingering].Load(),
		Streams:  c.Streams.Load(),
		Accepted: e.Accepted.Load(), Opened: c.Opened.Load(), Closed: e.Closed.Load(),
		Pings: c.Pings.Load(), OverConns: c.OverConns.Load(), OverAddress: c.OverAddress.Load(), OverHTTP: c.OverHTTP.Load(), OverHandshakes: c.OverHandshakes.Load(),
		Refused: e.Refused.Load(), HandshakeTimeouts: c.HandshakeTimeouts.Load(), MessageTimeouts: c.MessageTimeouts.Load(), IdleTimeouts: c.IdleTimeouts.Load(),
		PongTimeouts: c.PongTimeouts.Load(), CloseTimeouts: c.CloseTimeouts.Load(),
		SlowConsumers: c.SlowConsumers.Load(), Panics: c.Panics.Load(),
		DroppedNewest: e.DroppedNewest.Load(), DroppedOldest: e.DroppedOldest.Load(),
		TLSHandshakes: e.TLSHandshakes.Load(), TLSFailures: e.TLSFailures.Load(), TLSTimeouts: e.TLSTimeouts.Load(),
		TLSOffloaded: e.TLSOffloaded.Load(), Unacknowledged: e.Unacknowledged.Load(),
		AcceptShortages: e.AcceptShortages.Load(), LoopMoves: e.Moves.Load(), SlowModes: e.SlowModes.Load(),
		Refusals: make(map[string]uint64, len(c.refusals)), Closes: make(map[StatusCode]uint64, len(c.closes)),
	}
	st.BytesReceived, st.BytesSent = s.engine.Bytes()
	st.Outbound = s.engine.Waiting()
	st.Held = s.engine.HeldBytes().Load()
	st.OverHeld, st.Shed = c.OverHeld.Load(), c.Shed.Load()
	st.Draining, st.DrainFrom = s.closing.Load(), s.drainFrom.Load()
	for i := range s.loops {
		l := &s.loops[i]
		st.Messages += l.messages.Load()
		st.Inflated += l.inflated.Load()
		st.Deflated += l.deflated.Load()
		st.DeflatedFrom += l.deflatedFrom.Load()
		st.DeflatedTo += l.deflatedTo.Load()
	}
	if s.http != nil {
		st.HTTP = s.http.count.Load()
	}
	for i := range c.refusals {
		st.Refusals[handshake.Cause(i).String()] = c.refusals[i].Load()
	}
	for i, code := range closeCodes {
		st.Closes[code] = c.closes[i].Load()
	}
	return st
}
