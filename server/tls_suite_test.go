package server

import (
	"crypto/tls"
	"net"
	"os"
	"sync"

	"github.com/roost-ws/roost/bench/testcert"
)

// tlsEnv has the tests of the package speak TLS: what holds without must hold
// with it. make unit leaves out those that have plaintext servers of others, or
// clients in processes of their own.
const tlsEnv = "ROOST_TEST_TLS"

// kernelTLSEnv has those tests speak it through the kernel.
const kernelTLSEnv = "ROOST_TEST_KERNEL_TLS"

func overKernelTLS() bool { return os.Getenv(kernelTLSEnv) != "" }

func overTLS() bool { return os.Getenv(tlsEnv) != "" || overKernelTLS() }

// pair is the two ends of a configuration.
type pair struct{ server, client *tls.Config }

var suiteTLS = sync.OnceValue(func() pair {
	a := testcert.NewAuthority()
	return pair{
		server: &tls.Config{Certificates: []tls.Certificate{a.Issue("roost.test")}},
		client: &tls.Config{RootCAs: a.Pool(), ServerName: "roost.test"},
	}
})

// tlsConn is a client's end of a connection, of which CloseWrite ends both the
// TLS stream and the one below.
type tlsConn struct{ *tls.Conn }

func (c tlsConn) CloseWrite() error {
	if err := c.Conn.CloseWrite(); err != nil {
		return err
	}
	return c.NetConn().(*net.TCPConn).CloseWrite()
}

// bare is the connection below.
func bare(conn net.Conn) net.Conn {
	if c, ok := conn.(tlsConn); ok {
		return c.NetConn()
	}
	return conn
}
