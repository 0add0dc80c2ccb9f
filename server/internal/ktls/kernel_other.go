//go:build !linux

package ktls

// Direction is one of the two halves of a connection.
type Direction int

// The directions.
const (
	Transmit Direction = iota
	Receive
)

// ContentType is the type of a record (RFC 8446 5.1).
type ContentType byte

// The types that can follow a handshake.
const (
	Alert           ContentType = 21
	Handshake       ContentType = 22
	ApplicationData ContentType = 23
)

// Attach returns ErrUnsupported.
func Attach(int) error { return ErrUnsupported }

// SetKey returns ErrUnsupported.
func SetKey(int, Direction, *Key, uint64) error { return ErrUnsupported }

// ReceiveRecord returns ErrUnsupported.
func ReceiveRecord(int, []byte) (int, ContentType, error) { return 0, 0, ErrUnsupported }

// SendRecord returns ErrUnsupported.
func SendRecord(int, ContentType, []byte) error { return ErrUnsupported }
