// Command floor is no server anybody could run. It does what no WebSocket
// server can leave out (wait, receive, unmask, send) in one loop, and nothing
// else: no checks, no limits, no deadlines, no memory for slow clients. What it
// costs is the kernel's part, so it tells how much there is to gain.
package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"runtime/debug"
	"unsafe"

	"golang.org/x/sys/unix"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "host:port to listen on")
	flag.Parse()
	debug.SetGCPercent(-1) // it allocates for connections only
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	raw, err := ln.(*net.TCPListener).SyscallConn()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready", ln.Addr())
	if err := raw.Control(func(fd uintptr) { err = serve(int(fd)) }); err != nil {
		log.Fatal(err)
	}
	log.Fatal(err)
}

// partial is a connection's bytes that make no whole frame, or no whole request, yet.
type partial struct {
	open bool
	b    []byte
}

func serve(listener int) error {
	ep, err := unix.EpollCreate1(0)
	if err != nil {
		return err
	}
	if err := watch(ep, listener); err != nil {
		return err
	}
	conns := map[int]*partial{}
	events := make([]unix.EpollEvent, 1024)
	buf := make([]byte, 512<<10)
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), ^uintptr(0), 0, 0)
		if errno != 0 && errno != unix.EINTR {
			return errno
		}
		for _, ev := range events[:max(int(n), 0)] {
			fd := int(ev.Fd)
			if fd == listener {
				if err := accept(ep, listener, conns); err != nil {
					return err
				}
			} else if err := turn(fd, conns[fd], buf); err != nil {
				delete(conns, fd)
				unix.Close(fd)
			}
		}
	}
}

func watch(ep, fd int) error {
	return unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func accept(ep, listener int, conns map[int]*partial) error {
	for {
		fd, _, err := unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case err != nil:
			return err
		}
		if err := errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1), watch(ep, fd)); err != nil {
			return err
		}
		conns[fd] = new(partial)
	}
}

// turn receives once, and sends once what it makes of that.
func turn(fd int, p *partial, buf []byte) error {
	kept := copy(buf, p.b)
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&buf[kept])), uintptr(len(buf)-kept), 0, 0, 0)
	if errno != 0 || n == 0 {
		return errors.Join(unix.EPIPE, errno)
	}
	b := buf[:kept+int(n)]
	var out, rest []byte
	if p.open {
		out, rest = echo(b)
	} else {
		out, p.open = answer(b)
		if !p.open {
			rest = b
		}
	}
	p.b = append(p.b[:0], rest...)
	for len(out) > 0 {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&out[0])), uintptr(len(out)), unix.MSG_NOSIGNAL, 0, 0)
		if errno == unix.EAGAIN {
			// Waits for this client alone, as no real server may.
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1); err != nil && err != unix.EINTR {
				return err
			}
			continue
		}
		if errno != 0 {
			return errno
		}
		out = out[n:]
	}
	return nil
}

// answer is the response to an opening handshake, once it is whole.
func answer(b []byte) (out []byte, whole bool) {
	if !bytes.HasSuffix(b, []byte("\r\n\r\n")) {
		return nil, false
	}
	const field = "Sec-WebSocket-Key: "
	_, key, _ := bytes.Cut(b, []byte(field))
	key, _, _ = bytes.Cut(key, []byte("\r\n"))
	sum := sha1.Sum(append(bytes.Clone(key), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...)) // RFC 6455, 1.3
	return []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n"), true
}

// echo turns the client's frames in b into a server's, in place: the masking
// keys go away, and what follows moves up. rest is a frame that is not whole.
func echo(b []byte) (out, rest []byte) {
	end, at := 0, 0 // of the output, which never overtakes the input
	for len(b)-at >= 6 {
		head, length := 2, int(b[at+1]&0x7f)
		switch {
		case length == 126:
			head, length = 4, int(binary.BigEndian.Uint16(b[at+2:]))
		case length == 127 && len(b)-at >= 14:
			head, length = 10, int(binary.BigEndian.Uint64(b[at+2:]))
		case length == 127:
			return b[:end], b[at:]
		}
		payload := at + head + 4
		if len(b)-payload < length {
			break
		}
		key := [4]byte(b[at+head:])
		b[at+1] &^= 0x80
		copy(b[end:], b[at:at+head])
		unmask(b[payload:payload+length], key)
		copy(b[end+head:], b[payload:payload+length])
		end += head + length
		at = payload + length
	}
	return b[:end], b[at:]
}

func unmask(b []byte, key [4]byte) {
	word := binary.LittleEndian.Uint32(key[:])
	wide := uint64(word)<<32 | uint64(word)
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^wide)
	}
	for i := range b {
		b[i] ^= key[i&3]
	}
}
