// Package contract is what every peer written in Go shares: the flag that says
// where to listen and the line that says the peer is ready. It never touches a
// connection, so that what is measured is the peer alone.
//
// The contract of a peer, in any language:
//
//   - It takes `-addr host:port`, listens there and prints `ready <addr>` on a
//     line of its own on standard output.
//   - A message on a path other than the two below is echoed to its sender,
//     with the opcode it came with.
//   - A connection on /sub is a subscriber; it never sends. A message from a
//     connection on /pub goes to every subscriber, with its opcode, and is not
//     echoed.
//   - A connection on /sleep/<duration> is echoed by a handler that blocks for
//     that long first, as one that waits for a database does. Peers whose one
//     thread runs every handler leave this out, and say so in peer.json.
//   - With `--deflate` it accepts permessage-deflate and compresses what it sends,
//     at its fastest level, from 256 bytes on or whatever it holds right, and takes no
//     context over: clients ask for that. Peers that cannot say so in peer.json.
//   - With `--tls-cert FILE --tls-key FILE` it speaks TLS, in the way its users are
//     told to. Peers that cannot say so in peer.json.
//   - Otherwise there is no compression; in any case no ping, no idle timeout and no origin check;
//     messages of at least 1 MiB pass.
//   - SIGTERM ends it.
package contract

import (
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"net"
	"strings"
	"time"
)

// Sleep is how long the handler of a connection with this path blocks.
func Sleep(path string) time.Duration {
	word, _ := strings.CutPrefix(path, "/sleep/")
	d, _ := time.ParseDuration(word) // 0 for other paths
	return d
}

// Paths of the fan-out part of the contract.
const (
	SubPath = "/sub"
	PubPath = "/pub"
)

// MessageMax is the message limit peers are configured with, in bytes.
const MessageMax = 16 << 20

var addr = flag.String("addr", "127.0.0.1:0", "host:port to listen on")

var deflate = flag.Bool("deflate", false, "accept permessage-deflate and compress")

var (
	certFile = flag.String("tls-cert", "", "file with a certificate: speak TLS")
	keyFile  = flag.String("tls-key", "", "file with its key")
)

// Certificate returns the certificate to speak TLS with, if that is asked for.
func Certificate() (cert tls.Certificate, ok bool) {
	Addr()
	if *certFile == "" {
		return cert, false
	}
	cert, err := tls.LoadX509KeyPair(*certFile, *keyFile)
	if err != nil {
		log.Fatal(err)
	}
	return cert, true
}

// CertificateFiles returns the files of Certificate.
func CertificateFiles() (cert, key string) {
	Addr()
	return *certFile, *keyFile
}

// Deflate reports whether messages are to be compressed.
func Deflate() bool {
	if !flag.Parsed() {
		flag.Parse()
	}
	return *deflate
}

// DeflateMin is the size from which on messages are compressed, in bytes, at
// peers that let it be set.
const DeflateMin = 256

// Addr is the address asked for on the command line.
func Addr() string {
	if !flag.Parsed() {
		flag.Parse()
	}
	return *addr
}

// Listen opens the listener asked for and announces it.
func Listen() net.Listener {
	ln, err := net.Listen("tcp", Addr())
	if err != nil {
		log.Fatal(err)
	}
	Ready(ln.Addr().String())
	if cert, ok := Certificate(); ok {
		return tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}})
	}
	return ln
}

// Ready tells the harness that connections to a are accepted from now on.
func Ready(a string) { fmt.Println("ready", a) }
