package server

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TCP over IPv4 and IPv6, unix sockets, and all of them at once.
func TestListen(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := startIdle(t, Handler{OnMessage: echo}, Config{Inline: inline})
		socket := filepath.Join(t.TempDir(), "socket")
		for i, tc := range []struct{ network, addr, want string }{
			{"tcp4", "127.0.0.1:0", "127.0.0.1"},
			{"tcp6", "[::1]:0", "::1"},
			{"tcp", "localhost:0", "127.0.0.1"},
			{"unix", socket, ""},
		} {
			addr := st.listen(tc.network, tc.addr)
			if tcp, ok := addr.(*net.TCPAddr); ok && tcp.Port == 0 {
				t.Errorf("%s: the bound address is %v", tc.addr, addr)
			}
			c := dialAddr(t, addr, nil).open("/")
			c.echo("hello")
			remote := st.nth(i).conn.RemoteAddr()
			if tc.want == "" && remote.IsValid() || tc.want != "" && remote.Addr().Unmap().String() != tc.want {
				t.Errorf("%s: the client is %v", tc.addr, remote)
			}
			c.goodbye()
			st.ended(i)
			eventually(t, "RemoteAddr is not valid any more", func() bool { return !st.nth(i).conn.RemoteAddr().IsValid() })
		}
	})
}

// Several connections wait in the accept queues of several listeners before a loop has a look.
func TestListenersShareLoops(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := startIdle(t, Handler{OnMessage: echo}, Config{Inline: inline, Loops: 3})
		var addrs []net.Addr
		for range 5 {
			addrs = append(addrs, st.listen("tcp", "127.0.0.1:0"))
		}
		resume := st.hold()
		var clients []*client
		for i := range 100 {
			c := dialAddr(t, addrs[i%len(addrs)], nil)
			c.send([]byte(upgrade("/")))
			clients = append(clients, c)
		}
		resume()
		for _, c := range clients {
			c.opened()
			c.echo("hello")
		}
		loops := make(map[int]int)
		ids := make(map[[2]uint64]bool)
		for i := range clients {
			conn := st.nth(i).conn
			loops[conn.Loop()]++
			ids[[2]uint64{uint64(conn.Loop()), conn.ID()}] = true
		}
		for i := range st.Loops() {
			if loops[i] < 30 { // T17: they are dealt out evenly
				t.Errorf("connections by loop: %v", loops)
			}
		}
		if len(ids) != len(clients) {
			t.Errorf("%d connections have %d identities", len(clients), len(ids))
		}
	})
}

func TestListenErrors(t *testing.T) {
	watch(t)
	st := start(t, Handler{}, Config{})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("not a socket"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ network, addr, want string }{
		{"tcp", st.addr.String(), "server: listen tcp " + st.addr.String() + ": bind: "},
		{"tcp", st.addr.String(), "address already in use"},
		{"tcp", "127.0.0.1:99999", "invalid port"},
		{"udp", "127.0.0.1:0", "udp"},
		{"unix", file, file},
	} {
		if _, err := st.Listen(tc.network, tc.addr); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("Listen(%s, %s) returns %v, want something with %q", tc.network, tc.addr, err, tc.want)
		}
		if err := st.ListenAndServe(tc.network, tc.addr); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("ListenAndServe(%s, %s) returns %v, want something with %q", tc.network, tc.addr, err, tc.want)
		}
	}
	strange := new(foreign)
	if err := st.Serve(strange); err == nil || !strings.Contains(err.Error(), "server: serve: ") || !strange.closed {
		t.Errorf("Serve with a foreign listener returns %v; closed: %v", err, strange.closed)
	}
	st.Close()
	if _, err := st.Listen("tcp", "127.0.0.1:0"); err != ErrServerClosed {
		t.Errorf("Listen after Close returns %v", err)
	}
	if err := st.ListenAndServe("tcp", "127.0.0.1:0"); err != ErrServerClosed {
		t.Errorf("ListenAndServe after Close returns %v", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Serve(ln); err != ErrServerClosed {
		t.Errorf("Serve after Close returns %v", err)
	}
	if _, err := ln.Accept(); err == nil {
		t.Error("Serve has not closed the listener")
	}
}

// foreign is a listener that has no socket.
type foreign struct {
	net.Listener
	closed bool
}

func (f *foreign) Close() error {
	f.closed = true
	return nil
}

// Serve takes over a listener that somebody else has opened, and waits.
func TestServe(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			modes(t, func(t *testing.T, inline bool) {
				addr := "127.0.0.1:0"
				if network == "unix" {
					addr = filepath.Join(t.TempDir(), "socket")
				}
				ln, err := net.Listen(network, addr)
				if err != nil {
					t.Fatal(err)
				}
				st := startIdle(t, Handler{OnMessage: echo}, Config{Inline: inline})
				served := make(chan error)
				go func() { served <- st.Serve(ln) }()
				c := dialAddr(t, ln.Addr(), nil).open("/")
				c.echo("hello")
				c.goodbye()
				if err := st.Shutdown(context.Background()); err != nil {
					t.Error(err)
				}
				if err := <-served; err != ErrServerClosed {
					t.Errorf("Serve returns %v", err)
				}
				if c, err := dialQuietly(ln.Addr()); err == nil {
					c.Close()
					t.Error("the address is still served")
				}
			})
		})
	}
}

// ListenAndServe returns ErrServerClosed, whoever closes and how often.
func TestListenAndServe(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := startIdle(t, Handler{}, Config{Inline: inline})
		socket := filepath.Join(t.TempDir(), "socket")
		served := make(chan error)
		go func() { served <- st.ListenAndServe("unix", socket) }()
		addr := &net.UnixAddr{Net: "unix", Name: socket}
		eventually(t, "somebody listens", func() bool {
			c, err := dialQuietly(addr)
			if err == nil {
				c.Close()
			}
			return err == nil
		})
		dialAddr(t, addr, nil).open("/")
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { st.Close() })
		}
		if err := <-served; err != ErrServerClosed {
			t.Errorf("ListenAndServe returns %v", err)
		}
		wg.Wait()
	})
}

// A listener that comes while the server is being closed is not left behind.
func TestListenWhileClosing(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		for range 20 {
			st := start(t, Handler{}, Config{Inline: inline, Loops: 2})
			resume := st.hold()
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					if _, err := st.Listen("tcp", "127.0.0.1:0"); err != nil && err != ErrServerClosed {
						t.Errorf("Listen returns %v", err)
					}
				})
			}
			wg.Go(func() { st.Close() })
			eventually(t, "the server is being closed", st.closing.Load)
			resume()
			wg.Wait()
		}
	})
}
