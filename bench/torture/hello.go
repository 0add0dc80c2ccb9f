package torture

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"slices"
)

// record is one that is not sealed.
func record(kind byte, content []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{kind, 3, 1}, uint16(len(content))), content...)
}

// sealedAs gives a record the version that all have from the ServerHello on.
func sealedAs(record []byte) []byte {
	record[2] = 3
	return record
}

// recordsOf cuts the content of a record into records of size bytes.
func recordsOf(whole []byte, size int) (all []byte) {
	for piece := range slices.Chunk(whole[5:], size) {
		all = append(all, record(whole[0], piece)...)
	}
	return all
}

// message is one of a handshake.
func message(kind byte, body []byte) []byte {
	n := len(body)
	return append([]byte{kind, byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

// helloOf is the ClientHello that crypto/tls sends, as one record.
func helloOf(cfg *tls.Config) []byte {
	var first firstWrite
	tls.Client(&first, cfg).Handshake() // which fails: nobody answers
	return first.b
}

// firstWrite keeps what is written first, and is at its end then.
type firstWrite struct {
	net.Conn
	b []byte
}

func (f *firstWrite) Read([]byte) (int, error) { return 0, io.EOF }

func (f *firstWrite) Write(b []byte) (int, error) {
	if f.b == nil {
		f.b = bytes.Clone(b)
	}
	return len(b), nil
}

// withExtensions changes the extensions of a ClientHello. RFC 8446, 4.1.2.
func withExtensions(hello []byte, change func(extensions []byte) []byte) []byte {
	body := hello[9:]
	at := 34                                          // behind version and random
	at += 1 + int(body[at])                           // session id
	at += 2 + int(binary.BigEndian.Uint16(body[at:])) // suites
	at += 1 + int(body[at])                           // compression
	extensions := change(bytes.Clone(body[at+2:]))    // their length is before them
	body = append(bytes.Clone(body[:at]), byte(len(extensions)>>8), byte(len(extensions)))
	return record(typeHandshake, message(clientHello, append(body, extensions...)))
}

// helloExtension is one, as it is sent.
func helloExtension(number uint16, content []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, number)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(content))), content...)
}

// Extensions. RFC 8446, 4.2; RFC 5746, 3.2.
const (
	earlyData         = 42
	renegotiationInfo = 0xff01
)
