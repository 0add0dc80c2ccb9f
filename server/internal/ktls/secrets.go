package ktls

import (
	"bytes"
	"encoding/hex"
)

// Secrets collects the application traffic secrets of one connection. It is
// the io.Writer for the Config.KeyLogWriter of that connection alone, and
// passes nothing on. crypto/tls writes to it during the handshake.
type Secrets struct {
	Client []byte // protects what the client sends; nil before TLS 1.3 gets that far
	Server []byte // protects what the server sends
}

// Write takes a line of the NSS key log format: a label, the client's random
// bytes, and the secret.
func (s *Secrets) Write(line []byte) (int, error) {
	fields := bytes.Fields(line)
	if len(fields) != 3 {
		return len(line), nil
	}
	var to *[]byte
	switch string(fields[0]) {
	case "CLIENT_TRAFFIC_SECRET_0":
		to = &s.Client
	case "SERVER_TRAFFIC_SECRET_0":
		to = &s.Server
	default:
		return len(line), nil
	}
	secret := make([]byte, hex.DecodedLen(len(fields[2])))
	if _, err := hex.Decode(secret, fields[2]); err != nil {
		return 0, err
	}
	*to = secret
	return len(line), nil
}
