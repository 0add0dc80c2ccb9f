package sim

// Calls counts what was asked of a kernel, for tests of cost. Calls that
// failed are counted too.
type Calls struct {
	Accept, Read, Write, Writev, ShutdownWrite, Close, Peer uint64
	Add, Remove, Wait, Wake                                 uint64
	Sleep, SetAckTimeout                                    uint64

	Again      uint64 // reads, writes and accepts that returned EAGAIN
	Events     uint64 // events that Wait returned
	Waits      uint64 // Waits that returned events
	BytesIn    uint64 // that the server read
	BytesOut   uint64 // that the server wrote
	EmptyReads uint64 // reads that returned no bytes: EAGAIN, the end or an error
}

// Total is the number of system calls; the clock is none.
func (c Calls) Total() uint64 {
	return c.Accept + c.Read + c.Write + c.Writev + c.ShutdownWrite + c.Close + c.Peer +
		c.Add + c.Remove + c.Wait + c.Wake + c.Sleep + c.SetAckTimeout
}

// Sub returns what was called since an earlier count.
func (c Calls) Sub(earlier Calls) Calls {
	c.Accept -= earlier.Accept
	c.Read -= earlier.Read
	c.Write -= earlier.Write
	c.Writev -= earlier.Writev
	c.ShutdownWrite -= earlier.ShutdownWrite
	c.Close -= earlier.Close
	c.Peer -= earlier.Peer
	c.Add -= earlier.Add
	c.Remove -= earlier.Remove
	c.Wait -= earlier.Wait
	c.Wake -= earlier.Wake
	c.Sleep -= earlier.Sleep
	c.SetAckTimeout -= earlier.SetAckTimeout
	c.Again -= earlier.Again
	c.Events -= earlier.Events
	c.Waits -= earlier.Waits
	c.BytesIn -= earlier.BytesIn
	c.BytesOut -= earlier.BytesOut
	c.EmptyReads -= earlier.EmptyReads
	return c
}

// call names a call in traces and violations.
type call uint8

const (
	callNone call = iota
	callAccept
	callRead
	callWrite
	callWritev
	callShutdownWrite
	callClose
	callPeer
	callSetAckTimeout
	callAdd
	callRemove
	callWait
	callWake
)

var callNames = [...]struct{ name, before, inside, after string }{
	callNone:          {"nothing", "", "", ""},
	callAccept:        {"accept", "before accept", "in accept", "after accept"},
	callRead:          {"read", "before read", "in read", "after read"},
	callWrite:         {"write", "before write", "in write", "after write"},
	callWritev:        {"writev", "before writev", "in writev", "after writev"},
	callShutdownWrite: {"shutdown", "before shutdown", "in shutdown", "after shutdown"},
	callClose:         {"close", "before close", "in close", "after close"},
	callPeer:          {"getpeername", "", "", ""},
	callSetAckTimeout: {"setsockopt", "", "", ""},
	callAdd:           {"poller add", "before add", "in add", "after add"},
	callRemove:        {"poller remove", "", "", ""},
	callWait:          {"poller wait", "before wait", "in wait", "after wait"},
	callWake:          {"poller wake", "before wake", "in wake", "after wake"},
}

func (c call) String() string { return callNames[c].name }
