package push

import (
	"crypto/rand"
	"encoding/binary"
	"regexp"
	"strconv"
	"strings"
)

// SocketID names one connection to clients and publishers, as two numbers with
// a dot between them. The zero SocketID names none.
//
// It says where the connection is, so that no table of all connections is
// needed to find one. Both numbers stay below 2^53, because clients are written
// in languages that count in float64:
//
//	first:  node (11 bits) | loop (10 bits) | high half of the connection's number (32 bits)
//	second: salt (21 bits) | low half of the connection's number (32 bits)
//
// The salt is drawn when the server starts. A signature that was issued for a
// socket_id authorises whoever has that id, so ids must not come back after a restart.
type SocketID struct{ first, second uint64 }

const (
	loopBits  = 10
	saltBits  = 21
	maxLoops  = 1 << loopBits
	lowerHalf = 1<<32 - 1
)

var socketIDPattern = regexp.MustCompile(`\A\d+\.\d+\z`)

// ParseSocketID reads what a publisher sent. A well-formed id that cannot be one
// of ours is no mistake of the publisher's (its connection may be long gone) and
// gives the zero SocketID.
func ParseSocketID(s string) (id SocketID, ok bool) {
	if !socketIDPattern.MatchString(s) {
		return SocketID{}, false
	}
	first, second, _ := strings.Cut(s, ".")
	var errFirst, errSecond error
	id.first, errFirst = strconv.ParseUint(first, 10, 53)
	id.second, errSecond = strconv.ParseUint(second, 10, 53)
	// A leading zero makes another spelling of an id, which is not that id.
	if errFirst != nil || errSecond != nil || id.String() != s {
		return SocketID{}, true
	}
	return id, true
}

func (id SocketID) String() string { return string(id.append(nil)) }

// append appends the id as clients see it to b.
func (id SocketID) append(b []byte) []byte {
	b = strconv.AppendUint(b, id.first, 10)
	b = append(b, '.')
	return strconv.AppendUint(b, id.second, 10)
}

// numbering makes the socket ids of one run of one server.
type numbering struct {
	node uint64 // 0 until there are several
	salt uint64 // never 0, so that no id is the zero SocketID
}

func newNumbering() numbering {
	var b [8]byte
	rand.Read(b[:]) // never fails; crypto/rand ends the program instead
	return numbering{salt: binary.LittleEndian.Uint64(b[:])%(1<<saltBits-1) + 1}
}

// id names the connection with the given number on the given loop.
func (n numbering) id(loop int, number uint64) SocketID {
	return SocketID{
		first:  (n.node<<loopBits|uint64(loop))<<32 | number>>32,
		second: n.salt<<32 | number&lowerHalf,
	}
}

// find is the inverse of id. It reports false for ids of other nodes and other runs.
func (n numbering) find(id SocketID) (loop int, number uint64, ok bool) {
	if id.second>>32 != n.salt || id.first>>(32+loopBits) != n.node {
		return 0, 0, false
	}
	return int(id.first >> 32 & (maxLoops - 1)), id.first<<32 | id.second&lowerHalf, true
}
