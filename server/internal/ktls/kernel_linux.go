package ktls

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Of linux/tls.h.
const (
	tlsTX = 1
	tlsRX = 2

	setRecordType = 1
	getRecordType = 2

	cipherAESGCM128        = 51
	cipherAESGCM256        = 52
	cipherChaCha20Poly1305 = 54
)

// Direction is one of the two halves of a connection.
type Direction int

// The directions.
const (
	Transmit Direction = tlsTX
	Receive  Direction = tlsRX
)

// Attach prepares a connected TCP socket. It works on as before until SetKey.
// The error wraps ErrUnsupported where the kernel has no TLS.
func Attach(fd int) error {
	err := unix.SetsockoptString(fd, unix.SOL_TCP, unix.TCP_ULP, "tls")
	if err != nil {
		return fmt.Errorf("ktls: setsockopt TCP_ULP: %w", unsupported(err))
	}
	return nil
}

// SetKey has the kernel protect one direction of a socket that is attached, from
// record number seq of the key on. The next byte to be read or written must be
// the first of a record. A second call for a direction is a KeyUpdate, which
// kernels before 6.14 do not have.
func SetKey(fd int, d Direction, k *Key, seq uint64) error {
	if err := setsockopt(fd, int(d), k.cryptoInfo(seq)); err != nil {
		return fmt.Errorf("ktls: setsockopt %s: %w", map[Direction]string{Transmit: "TLS_TX", Receive: "TLS_RX"}[d], unsupported(err))
	}
	return nil
}

// unsupported tells what a kernel without the module, the cipher or a second
// key says from other failures.
func unsupported(err error) error {
	for _, e := range []error{unix.ENOENT, unix.ENOPROTOOPT, unix.EINVAL, unix.EBUSY, unix.EOPNOTSUPP, unix.ENOTSUP} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w: %w", ErrUnsupported, err)
		}
	}
	return err
}

// cryptoInfo is the struct tls12_crypto_info_* of linux/tls.h for the suite.
func (k *Key) cryptoInfo(seq uint64) []byte {
	b := binary.NativeEndian.AppendUint16(nil, tls.VersionTLS13)
	number := binary.BigEndian.AppendUint64(nil, seq)
	const saltLen = 4
	switch k.suiteID {
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		b = binary.NativeEndian.AppendUint16(b, cipherChaCha20Poly1305)
		return append(append(append(b, k.iv...), k.key...), number...)
	case tls.TLS_AES_256_GCM_SHA384:
		b = binary.NativeEndian.AppendUint16(b, cipherAESGCM256)
	default:
		b = binary.NativeEndian.AppendUint16(b, cipherAESGCM128)
	}
	b = append(append(b, k.iv[saltLen:]...), k.key...)
	return append(append(b, k.iv[:saltLen]...), number...)
}

func setsockopt(fd, option int, value []byte) error {
	return unix.SetsockoptString(fd, unix.SOL_TLS, option, unsafe.String(unsafe.SliceData(value), len(value)))
}

// ContentType is the type of a record (RFC 8446 5.1).
type ContentType byte

// The types that can follow a handshake.
const (
	Alert           ContentType = 21
	Handshake       ContentType = 22
	ApplicationData ContentType = 23
)

// ReceiveRecord reads plaintext of one type, which is what a plain read says
// EIO to when it is not application data. At the end of the stream n and the
// type are 0.
func ReceiveRecord(fd int, b []byte) (n int, t ContentType, err error) {
	var oob [64]byte
	n, oobn, _, _, err := unix.Recvmsg(fd, b, oob[:], unix.MSG_DONTWAIT)
	if err != nil || n == 0 {
		return 0, 0, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return 0, 0, fmt.Errorf("ktls: control message: %w", err)
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_TLS && m.Header.Type == getRecordType && len(m.Data) > 0 {
			return n, ContentType(m.Data[0]), nil
		}
	}
	return n, ApplicationData, nil
}

// SendRecord sends b as one record of the given type.
func SendRecord(fd int, t ContentType, b []byte) error {
	oob := make([]byte, unix.CmsgSpace(1))
	h := (*unix.Cmsghdr)(unsafe.Pointer(unsafe.SliceData(oob)))
	h.Level, h.Type = unix.SOL_TLS, setRecordType
	h.SetLen(unix.CmsgLen(1))
	oob[unix.CmsgLen(0)] = byte(t)
	return unix.Sendmsg(fd, b, oob, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
}
