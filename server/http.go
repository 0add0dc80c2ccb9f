package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/roost-ws/roost/server/internal/handshake"
	"github.com/roost-ws/roost/server/internal/secure"
	"github.com/roost-ws/roost/server/internal/sys"
)

// httpSide serves requests on the server's port that ask for no WebSocket,
// with net/http. There a connection has a goroutine; their number is bounded by
// Limits.HTTPConns, and they do not stay long when idle.
type httpSide struct {
	srv   *Server
	http  *http.Server
	conns chan net.Conn
	count atomic.Int64
	done  chan struct{}
	once  sync.Once
}

var refuseHTTP = &Refusal{
	Status: http.StatusServiceUnavailable, Reason: "The server serves as many HTTP connections as it may.",
	Header: http.Header{"Retry-After": {"1"}},
}

func newHTTPSide(s *Server) *httpSide {
	h := &httpSide{srv: s, conns: make(chan net.Conn, s.cfg.Limits.HTTPConns), done: make(chan struct{})}
	t := &s.cfg.Timeouts
	h.http = &http.Server{
		Handler:           http.HandlerFunc(h.serve),
		ReadHeaderTimeout: t.Handshake,
		ReadTimeout:       t.HTTPRead,
		WriteTimeout:      t.HTTPWrite,
		IdleTimeout:       t.HTTPIdle,
		MaxHeaderBytes:    s.cfg.Limits.HandshakeBytes,
		ConnContext:       withConn,
		ErrorLog:          slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelWarn),
	}
	go h.http.Serve(h) // returns when h is closed
	return h
}

// toHTTP gives the connection to net/http, with the bytes already read.
func (c *Conn) toHTTP(head, rest []byte) {
	h := c.srv.http
	if c.srv.closing.Load() {
		c.sendOff(refuseClosing)
		return
	}
	if h.count.Add(1) > int64(c.srv.cfg.Limits.HTTPConns) {
		h.count.Add(-1)
		c.srv.stats.OverHTTP.Add(1)
		c.sendOff(refuseHTTP) // no handshake was refused
		return
	}
	early := bytes.Join([][]byte{head, rest}, nil)
	stream := c.pipe.Stream()
	conn, err := sys.FileConn(c.pipe.Detach())
	if err != nil { // out of descriptors: there is nobody to tell any more
		h.count.Add(-1)
		h.srv.engine.Counts.Closed.Add(1)
		c.srv.stats.OverHTTP.Add(1)
		return
	}
	hc := &httpConn{Conn: conn, raw: conn, early: early, side: h, address: c.address, counted: c.calls&counted != 0}
	c.calls &^= counted // the address stays counted until hc is closed
	if stream == nil {
		h.conns <- hc // has room for as many as count allows
		return
	}
	hc.Conn = stream.Over(conn)
	h.conns <- &httpsConn{hc, stream}
}

// connKey is where the context of a request has its connection.
type connKey struct{}

func withConn(ctx context.Context, conn net.Conn) context.Context {
	if secure, ok := conn.(*httpsConn); ok {
		conn = secure.httpConn
	}
	return context.WithValue(ctx, connKey{}, conn)
}

// serve is Config.HTTP for requests that came before a shutdown began; those
// that were still waiting are told. A handshake on a connection that has served
// other requests before, as proxies send it over those they keep, is one like any other.
//
// Handshake has refused a first request with a length and chunks. Of later ones
// net/http believes the chunks and does not tell, so that chunks must be the last of a
// connection: behind them a proxy may have seen another request (RFC 9112, 6.1).
func (h *httpSide) serve(w http.ResponseWriter, r *http.Request) {
	if c, ok := r.Context().Value(connKey{}).(*httpConn); ok {
		c.asked.Store(true)
		if c.served && len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		c.served = true
	}
	if h.srv.closing.Load() {
		w.Header().Set("Connection", "close")
		w.Header().Set("Retry-After", refuseClosing.Header.Get("Retry-After"))
		http.Error(w, refuseClosing.Reason, refuseClosing.Status)
		return
	}
	if wantsWebSocket(r.Header) {
		_ = h.srv.Upgrade(w, r) // it has answered
		return
	}
	h.srv.cfg.HTTP.ServeHTTP(w, r)
}

// wantsWebSocket is handshake's rule for a request that net/http has read.
func wantsWebSocket(header http.Header) bool {
	for _, value := range header.Values("Upgrade") {
		for element := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.Trim(element, " \t"), "websocket") {
				return true
			}
		}
	}
	return false
}

// Accept, Close and Addr make httpSide the listener of its http.Server. What
// waits when it is closed is still accepted, so that it is answered.
func (h *httpSide) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
	}
	select {
	case c := <-h.conns:
		return c, nil
	default:
		return nil, net.ErrClosed
	}
}

func (h *httpSide) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

func (h *httpSide) Addr() net.Addr { return httpAddr{} }

type httpAddr struct{}

func (httpAddr) Network() string { return "roost" }
func (httpAddr) String() string  { return "http side" }

func (h *httpSide) shutdown(ctx context.Context) { h.http.Shutdown(ctx) }

func (h *httpSide) close() {
	h.http.Close()
	for {
		select {
		case c := <-h.conns: // it came when nobody accepted any more
			c.Write(refuseClosing.Append(nil))
			c.Close()
		default:
			return
		}
	}
}

// httpConn is a connection of which the first bytes were already read.
type httpConn struct {
	net.Conn
	raw    net.Conn // the same, without TLS
	early  []byte   // not yet read by net/http; only its reader uses it
	side   *httpSide
	once   sync.Once
	taken  bool        // Upgrade has taken it over; set before Close
	served bool        // a request; only serve uses it
	asked  atomic.Bool // serve has got a request of which no response has begun

	address uint32 // where the client's address is counted, if it is
	counted bool
}

func (c *httpConn) Read(b []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(b, c.early)
		if c.early = c.early[n:]; len(c.early) == 0 {
			c.early = nil
		}
		return n, nil
	}
	return c.Conn.Read(b)
}

// Write counts the refusals that net/http writes by itself, which it tells nobody
// of: requests on a connection that is kept which it cannot read. Nobody was asked
// for those responses.
func (c *httpConn) Write(b []byte) (int, error) {
	if bytes.HasPrefix(b, []byte("HTTP/1.")) && !bytes.HasPrefix(b, []byte("HTTP/1.1 1")) && !c.asked.Swap(false) {
		c.side.srv.stats.refusals[handshake.CauseSyntax].Add(1)
	}
	return c.Conn.Write(b)
}

func (c *httpConn) Close() error {
	c.once.Do(func() {
		c.side.count.Add(-1)
		c.uncount()
		if !c.taken {
			c.side.srv.engine.Counts.Closed.Add(1)
		}
	})
	if c.taken {
		return c.raw.Close() // TLS goes on over the duplicate: it must not say goodbye
	}
	return c.Conn.Close()
}

// uncount gives back what the client's address is counted for.
func (c *httpConn) uncount() {
	if c.counted {
		c.counted = false
		c.side.srv.address.remove(c.address)
	}
}

// CloseWrite lets net/http end its side first when it closes a connection of
// which it has not read everything: closed at once, the socket would be reset,
// and the reset can overtake the response.
func (c *httpConn) CloseWrite() error {
	half, ok := c.raw.(closeWriter)
	if !ok {
		return errors.ErrUnsupported
	}
	if goodbye, ok := c.Conn.(*tls.Conn); ok {
		goodbye.CloseWrite() // close_notify; when it fails, FIN is all that can be said
	}
	return half.CloseWrite()
}

type closeWriter interface{ CloseWrite() error }

// SyscallConn gives Upgrade the descriptor.
func (c *httpConn) SyscallConn() (syscall.RawConn, error) {
	sc, ok := c.raw.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return sc.SyscallConn()
}

// httpsConn is an httpConn with TLS, from which net/http fills in Request.TLS.
type httpsConn struct {
	*httpConn
	stream *secure.Stream
}

// ConnectionState describes the TLS.
func (c *httpsConn) ConnectionState() tls.ConnectionState { return c.stream.State() }

// Upgrade takes over the connection of a request that came in through net/http
// (the server's own HTTP side, or any http.Server without TLS) and serves it
// like one that came directly: the opening handshake is answered by this
// server, with its limits, Origins and OnUpgrade. It returns at once. After an
// error, which says that the connection could not be taken over, an HTTP error was sent.
func (s *Server) Upgrade(w http.ResponseWriter, r *http.Request) error {
	if s.closing.Load() {
		http.Error(w, "The server is shutting down.", http.StatusServiceUnavailable)
		return ErrServerClosed
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "This connection cannot be upgraded.", http.StatusInternalServerError)
		return errors.Join(errors.New("server: upgrade"), err)
	}
	defer conn.Close() // what goes on is a duplicate
	sc, ok := conn.(syscall.Conn)
	if !ok {
		conn.Write(refuseInternal.Append(nil))
		return errors.New("server: upgrade: the connection is not a plain socket (TLS ends in net/http)")
	}
	fd, err := sys.DupConn(sc)
	if err != nil {
		conn.Write(refuseInternal.Append(nil))
		return errors.Join(errors.New("server: upgrade"), err)
	}
	early := requestHead(r)
	if n := rw.Reader.Buffered(); n > 0 {
		b, _ := rw.Reader.Peek(n) // n bytes are buffered
		early = append(early, b...)
	}
	own, again := conn.(*httpConn)
	var stream *secure.Stream
	if https, ok := conn.(*httpsConn); ok {
		own, again, stream = https.httpConn, true, https.stream
		if own.side != s.http {
			conn.Write(refuseInternal.Append(nil))
			return errors.Join(errors.New("server: upgrade: the connection's TLS is another server's"), s.cfg.kernel.Close(fd))
		}
	}
	if again {
		early = append(early, own.early...) // what net/http has not asked for yet
	}
	if again = again && own.side == s.http; again {
		own.uncount() // admit counts it anew, and nobody else closes it any more
	}
	session := s.admit(addrPort(conn.RemoteAddr()))
	if session == nil {
		conn.Write(refuseConns.Append(nil))
		return errors.Join(errors.New("server: upgrade: too many connections, or the server is shutting down"), s.cfg.kernel.Close(fd))
	}
	if again {
		own.taken = true
	}
	session.(*Conn).calls |= adopted
	if stream != nil {
		s.engine.AdoptTLS(fd, session, early, stream)
	} else {
		s.engine.Adopt(fd, session, early, again)
	}
	return nil
}

// addrPort is the address of a client, or an invalid one for what is not TCP.
func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort()
	}
	return netip.AddrPort{}
}

// requestHead writes r's head as it came, as far as net/http remembers it.
func requestHead(r *http.Request) []byte {
	var b bytes.Buffer
	b.WriteString(r.Method + " " + r.RequestURI + " " + r.Proto + "\r\nHost: " + r.Host + "\r\n")
	header := r.Header.Clone()
	if len(r.TransferEncoding) > 0 {
		header.Set("Transfer-Encoding", strings.Join(r.TransferEncoding, ", "))
	}
	header.Write(&b) // a Buffer does not fail
	b.WriteString("\r\n")
	return b.Bytes()
}
