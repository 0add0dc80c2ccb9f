package sim

import (
	"math/rand/v2"
	"time"
)

// Faults says how unkind a kernel is. The zero Faults is a kernel with a good
// day. A field of type float64 is a probability, per call unless it says
// otherwise. All may be changed while the World runs.
type Faults struct {
	// Reading. A read that gets less than has arrived, or nothing, is followed
	// by an edge for the rest, as if that had arrived just afterwards.
	ShortRead     float64
	ReadAgain     float64
	ReadInterrupt float64
	ReadMax       int // most bytes a read gets; 0: no limit

	// Writing. A write that takes less than there is room for, or nothing, is
	// followed by an edge, at the latest after Latency.
	ShortWrite     float64
	WriteAgain     float64 // EAGAIN although there is room: the kernel had no memory
	WriteInterrupt float64
	WriteMax       int // most bytes a write takes; 0: no limit

	// Accepting.
	AcceptInterrupt float64
	AcceptAbort     float64 // the connection was gone: ECONNABORTED and its like
	AcceptResource  float64 // ENFILE and its like: the connection stays in the queue

	// CloseInterrupt: the descriptor is closed, but close says EINTR.
	CloseInterrupt float64

	// Waiting.
	WaitInterrupt float64
	Spurious      float64 // an edge for which there is no reason
	Late          time.Duration
	EventsMax     int  // most events of one Wait; 0: no limit
	Shuffle       bool // events come in any order
	Split         bool // reading and writing are separate events, as with kqueue

	// Buffers of one direction: capacities between the two; 0: 64 KiB.
	CapMin, CapMax int

	// The path between client and server.
	Latency    time.Duration // what is sent arrives up to so much later
	SplitWrite float64       // a client's write is split
	ResetDrops float64       // a reset overtakes bytes that were sent before it

	// Stalls of the process, per call of the kernel.
	Stall    float64
	StallMax time.Duration
}

// SwarmFaults enables a random subset of the faults at random strength: a
// fault that hides another is absent from half of the seeds.
func SwarmFaults(r *rand.Rand) Faults {
	var f Faults
	on := func() bool { return r.IntN(2) == 0 }
	often := [...]float64{0.01, 0.1, 0.5}
	for _, p := range []*float64{
		&f.ShortRead, &f.ReadAgain, &f.ReadInterrupt, &f.ShortWrite, &f.WriteAgain,
		&f.WriteInterrupt, &f.AcceptInterrupt, &f.AcceptAbort, &f.AcceptResource,
		&f.CloseInterrupt, &f.WaitInterrupt, &f.Spurious, &f.SplitWrite, &f.ResetDrops,
	} {
		if on() {
			*p = often[r.IntN(len(often))]
		}
	}
	for _, n := range []*int{&f.ReadMax, &f.WriteMax, &f.EventsMax} {
		if r.IntN(4) == 0 {
			*n = 1 + r.IntN(8)
		}
	}
	f.Shuffle, f.Split = on(), on()
	switch r.IntN(3) {
	case 0:
		f.CapMin, f.CapMax = 1, 64
	case 1:
		f.CapMin, f.CapMax = 1, 64<<10
	}
	if on() {
		f.Latency = []time.Duration{10 * time.Microsecond, time.Millisecond, 200 * time.Millisecond}[r.IntN(3)]
	}
	if on() {
		f.Late = time.Millisecond
	}
	if r.IntN(8) == 0 {
		f.Stall, f.StallMax = 0.001, 10*time.Second
	}
	return f
}

// capacity draws the size of one buffer; small ones are as likely as large ones.
func (f *Faults) capacity(r *rand.Rand) int32 {
	if f.CapMax == 0 {
		return 64 << 10
	}
	low, high := max(f.CapMin, 1), f.CapMax
	n := high
	for n > low && r.IntN(2) == 0 {
		n /= 2
	}
	return int32(max(n, low))
}

// limit cuts n down to at most (0: no limit), and by chance further.
func (k *Kernel) limit(n, most int, short float64) int {
	if most > 0 {
		n = min(n, most)
	}
	if n > 1 && k.world.chance(short) {
		n = 1 + k.world.Rand.IntN(n-1)
	}
	return n
}
