package main

import (
	"fmt"
	"math"
)

// descriptorsReserved are kept for what is no connection: listeners, pollers,
// the admin port, HTTP requests in flight, files.
const descriptorsReserved = 100

// connectionsMin is what a server must be able to hold to be worth starting.
const connectionsMin = 16

// capacity is how many connections the descriptor limit leaves room for.
type capacity struct {
	descriptors uint64 // 0 when the system has no such limit
}

// raiseDescriptors raises the process's limit as far as it may, and returns
// what it has then.
func raiseDescriptors() capacity {
	return capacity{descriptors: raiseLimit()}
}

// check says what to do when asked connections do not fit; 0 asks for as many
// as do.
func (c capacity) check(asked int) error {
	if c.descriptors == 0 {
		return nil
	}
	switch room := c.room(); {
	case asked > room:
		return exitf(exitDescriptors,
			"%d connections need %d descriptors and this process may have %d: raise the limit (ulimit -n %[2]d, or LimitNOFILE=%[2]d under systemd) or lower --max-connections to %[4]d",
			asked, asked+descriptorsReserved, c.descriptors, room)
	case room < connectionsMin:
		return exitf(exitDescriptors,
			"this process may have only %d descriptors and needs at least %d to serve: raise the limit (ulimit -n 65536, or LimitNOFILE=65536 under systemd)",
			c.descriptors, descriptorsReserved+connectionsMin)
	}
	return nil
}

// room is how many connections the limit leaves room for.
func (c capacity) room() int {
	if c.descriptors < descriptorsReserved {
		return 0
	}
	return int(min(c.descriptors-descriptorsReserved, math.MaxInt32))
}

func (c capacity) String() string {
	if c.descriptors == 0 {
		return "no limit"
	}
	return fmt.Sprint(c.descriptors)
}
