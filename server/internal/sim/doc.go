// Package sim is a simulated kernel and a deterministic scheduler. Tests run
// the engine on it; nothing else may import it.
//
// A World owns everything that could differ between two runs: one source of
// chance, one virtual clock, and the coroutines, of which exactly one runs at
// a time. A coroutine gives the others a chance at every Yield, and every call
// of the kernel yields before, in the middle and after. A seed therefore
// replays exactly, and a failure says its seed and its last steps.
//
// A Kernel implements sys.Kernel in such a World: descriptors with the lowest
// number first, listeners, streams with bounded buffers, edge-triggered
// pollers. It does whatever the contracts of sys and poller allow, the unkind
// things too (Faults), and nothing that they do not allow. What an engine must
// never do is a violation and ends the run: using a descriptor that is not
// open, closing one that is registered with a poller, two goroutines in calls
// on one descriptor.
//
// Tests run many seeds (Seeds): ROOST_SIM_SEEDS says how many, ROOST_SIM_SEED=n
// replays one, ROOST_SIM_TRACE=n shows the last n steps of a failure. A World
// switches only where it is told to; Weave puts such points between the steps
// of a lock-free protocol, too.
//
// Code under test must not wait for another goroutine except through the
// World: a mutex may be held over a Yield only when nobody else can want it.
// The kernel's Peer and the poller's Remove do not yield, so that they may be
// called under a lock. A run that is stuck in earnest ends after a minute of
// real time with all stacks.
package sim
