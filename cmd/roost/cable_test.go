package main

import (
	"io"
	"net"
	"sync"
	"testing"
)

// cable is the network between clients and a server, which a test can cut.
type cable struct {
	addr string // where clients connect

	mu     sync.Mutex
	cond   *sync.Cond // broadcast when cut changes
	cut    bool       // guarded by mu
	silent bool       // guarded by mu: what is sent over it is lost without a word
	strand []net.Conn // guarded by mu: both ends of all connections
	ended  bool       // guarded by mu
}

// lay makes a cable to the server at addr.
func lay(t *testing.T, addr string) *cable {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{addr: ln.Addr().String()}
	c.cond = sync.NewCond(&c.mu)
	t.Cleanup(func() {
		ln.Close()
		c.mu.Lock()
		c.ended = true
		c.mu.Unlock()
		c.mend()
		c.drop()
	})
	go func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			go c.connect(client, addr)
		}
	}()
	return c
}

// connect joins a client to the server, as soon as there is a way.
func (c *cable) connect(client net.Conn, addr string) {
	c.mu.Lock()
	for c.cut {
		c.cond.Wait()
	}
	ended := c.ended
	c.mu.Unlock()
	server, err := net.Dial("tcp", addr)
	if err != nil || ended {
		client.Close()
		return
	}
	c.mu.Lock()
	c.strand = append(c.strand, client, server)
	c.mu.Unlock()
	go c.carry(server, client)
	c.carry(client, server)
}

// carry copies what comes from one end to the other.
func (c *cable) carry(to, from net.Conn) {
	io.Copy(&mouth{c, to}, from)
	c.mu.Lock()
	silent := c.silent
	c.mu.Unlock()
	if !silent {
		to.Close()
	}
}

// mouth is where a cable ends. While that is cut, nothing comes out.
type mouth struct {
	cable *cable
	net.Conn
}

func (m *mouth) Write(b []byte) (int, error) {
	m.cable.mu.Lock()
	lost := m.cable.silent
	m.cable.mu.Unlock()
	if lost {
		return len(b), nil
	}
	return m.Conn.Write(b)
}

// sever cuts all connections, and lets new ones wait. Silently: nobody is told.
func (c *cable) sever(silently bool) {
	c.mu.Lock()
	c.cut, c.silent = true, silently
	c.mu.Unlock()
	if !silently {
		c.drop()
	}
}

// mend lets new connections through, and ends those that were cut.
func (c *cable) mend() {
	c.drop()
	c.mu.Lock()
	c.cut, c.silent = false, false
	c.cond.Broadcast()
	c.mu.Unlock()
}

func (c *cable) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, end := range c.strand {
		end.(*net.TCPConn).SetLinger(0)
		end.Close()
	}
	c.strand = nil
}
