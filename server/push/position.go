package push

import (
	"strconv"
	"strings"
)

// position is a place in the history of a channel: right after the event with
// the same id. On the wire it is "epoch:serial", which clients hand back as they
// got it.
//
// The serial counts a channel's events. The epoch changes whenever the server
// lost count, so that a position of before is never mistaken for one of after.
// The zero position is none.
type position struct {
	epoch  uint64 // base 36 on the wire
	serial uint64
}

func (p position) append(b []byte) []byte {
	b = strconv.AppendUint(b, p.epoch, 36)
	b = append(b, ':')
	return strconv.AppendUint(b, p.serial, 10)
}

func (p position) String() string { return string(p.append(nil)) }

// parsePosition reads what position.append wrote. What cannot be of ours (another
// server's, a client's invention) is no position: the zero one.
func parsePosition(text string) (p position) {
	epoch, serial, _ := strings.Cut(text, ":")
	var errEpoch, errSerial error
	p.epoch, errEpoch = strconv.ParseUint(epoch, 36, 64)
	p.serial, errSerial = strconv.ParseUint(serial, 10, 64)
	if errEpoch != nil || errSerial != nil || p.String() != text {
		return position{}
	}
	return p
}
