package ktls

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair returns both ends of a TCP connection, and the descriptor of the first.
func pair(t *testing.T) (fd int, near, far *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far = conn.(*net.TCPConn)
	conn, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	near = conn.(*net.TCPConn)
	t.Cleanup(func() { near.Close(); far.Close() })
	for _, c := range []*net.TCPConn{near, far} {
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := near.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(n uintptr) { fd = int(n) }); err != nil {
		t.Fatal(err)
	}
	return fd, near, far
}

// attach skips the test where the kernel has no TLS. ROOST_REQUIRE_KTLS, which
// make ktls sets, makes that a failure.
func attach(t *testing.T, fd int) {
	t.Helper()
	err := Attach(fd)
	if errors.Is(err, ErrUnsupported) && os.Getenv("ROOST_REQUIRE_KTLS") == "" {
		t.Skipf("%v; make ktls runs this in a user-mode kernel that does", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func newKey(t *testing.T, suiteID uint16) *Key {
	t.Helper()
	secret := make([]byte, suites[suiteID].hash().Size())
	if _, err := rand.Read(secret); err != nil {
		t.Fatal(err)
	}
	k, err := NewKey(suiteID, secret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// seal makes a record as RFC 8446 5.2 says.
func (k *Key) seal(t ContentType, plain []byte, seq uint64) []byte {
	aead, err := suites[k.suiteID].aead(k.key)
	if err != nil {
		panic(err)
	}
	nonce := bytes.Clone(k.iv)
	for i, b := range binary.BigEndian.AppendUint64(nil, seq) {
		nonce[ivLen-8+i] ^= b
	}
	inner := append(bytes.Clone(plain), byte(t))
	head := binary.BigEndian.AppendUint16([]byte{byte(ApplicationData), 3, 3}, uint16(len(inner)+aead.Overhead()))
	return aead.Seal(head, nonce, inner, head)
}

func (k *Key) open(record []byte, seq uint64) (ContentType, []byte, error) {
	aead, err := suites[k.suiteID].aead(k.key)
	if err != nil {
		return 0, nil, err
	}
	nonce := bytes.Clone(k.iv)
	for i, b := range binary.BigEndian.AppendUint64(nil, seq) {
		nonce[ivLen-8+i] ^= b
	}
	inner, err := aead.Open(nil, nonce, record[RecordHeaderLen:], record[:RecordHeaderLen])
	if err != nil {
		return 0, nil, err
	}
	inner = bytes.TrimRight(inner, "\x00") // padding (RFC 8446 5.4)
	return ContentType(inner[len(inner)-1]), inner[:len(inner)-1], nil
}

func readRecord(r io.Reader) ([]byte, error) {
	record := make([]byte, RecordHeaderLen)
	if _, err := io.ReadFull(r, record); err != nil {
		return nil, err
	}
	record = append(record, make([]byte, RecordLen(record)-RecordHeaderLen)...)
	_, err := io.ReadFull(r, record[RecordHeaderLen:])
	return record, err
}

func eachSuite(t *testing.T, test func(t *testing.T, suiteID uint16)) {
	for id := range suites {
		t.Run(tls.CipherSuiteName(id), func(t *testing.T) { test(t, id) })
	}
}

// Key.Opens knows a record by its key and number.
func TestOpens(t *testing.T) {
	eachSuite(t, func(t *testing.T, id uint16) {
		k := newKey(t, id)
		record := k.seal(Handshake, []byte("ticket"), 1)
		if !k.Opens(record, 1) {
			t.Error("not its own record")
		}
		if k.Opens(record, 0) || newKey(t, id).Opens(record, 1) || k.Opens(record[:3], 1) {
			t.Error("a record of another number, of another key, or in pieces")
		}
	})
}

// The kernel and the AEADs of Go's library understand each other from any
// record number on.
func TestKernelTakesKeys(t *testing.T) {
	eachSuite(t, func(t *testing.T, id uint16) {
		fd, near, far := pair(t)
		attach(t, fd)
		in, out := newKey(t, id), newKey(t, id)
		for d, k := range map[Direction]*Key{Receive: in, Transmit: out} {
			if err := SetKey(fd, d, k, 3); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := far.Write(append(in.seal(ApplicationData, []byte("hello "), 3), in.seal(ApplicationData, []byte("kernel"), 4)...)); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len("hello kernel"))
		if _, err := io.ReadFull(near, got); err != nil || string(got) != "hello kernel" {
			t.Fatalf("the kernel read %q, %v", got, err)
		}
		if _, err := near.Write([]byte("hello yourself")); err != nil {
			t.Fatal(err)
		}
		if err := SendRecord(fd, Alert, []byte{1, 0}); err != nil {
			t.Fatal(err)
		}
		for seq, want := range []struct {
			t    ContentType
			text string
		}{{ApplicationData, "hello yourself"}, {Alert, "\x01\x00"}} {
			record, err := readRecord(far)
			if err != nil {
				t.Fatal(err)
			}
			typ, text, err := out.open(record, uint64(3+seq))
			if err != nil || typ != want.t || string(text) != want.text {
				t.Errorf("record %d: type %d, %q, %v", 3+seq, typ, text, err)
			}
		}
	})
}

// What is not application data stops plain reads with EIO, and is there to
// be taken.
func TestKernelSetsControlRecordsApart(t *testing.T) {
	fd, near, far := pair(t)
	attach(t, fd)
	in := newKey(t, tls.TLS_AES_128_GCM_SHA256)
	if err := SetKey(fd, Receive, in, 0); err != nil {
		t.Fatal(err)
	}
	records := append(in.seal(ApplicationData, []byte("last"), 0), in.seal(Alert, []byte{1, 0}, 1)...)
	if _, err := far.Write(records); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 100)
	n, err := near.Read(got)
	if err != nil || string(got[:n]) != "last" {
		t.Fatalf("read %q, %v", got[:n], err)
	}
	if _, err := near.Read(got); !errors.Is(err, unix.EIO) {
		t.Fatalf("%v; want EIO", err)
	}
	n, typ, err := ReceiveRecord(fd, got)
	if err != nil || typ != Alert || !bytes.Equal(got[:n], []byte{1, 0}) {
		t.Errorf("type %d, %x, %v; want close_notify", typ, got[:n], err)
	}
}

// A record that was tampered with is an error, and no plaintext.
func TestKernelRefusesForgedRecords(t *testing.T) {
	fd, near, far := pair(t)
	attach(t, fd)
	in := newKey(t, tls.TLS_AES_128_GCM_SHA256)
	if err := SetKey(fd, Receive, in, 0); err != nil {
		t.Fatal(err)
	}
	record := in.seal(ApplicationData, []byte("forged"), 0)
	record[len(record)-1] ^= 1
	if _, err := far.Write(record); err != nil {
		t.Fatal(err)
	}
	if n, err := near.Read(make([]byte, 100)); n > 0 || !errors.Is(err, unix.EBADMSG) {
		t.Errorf("%d bytes, %v; want EBADMSG", n, err)
	}
}

// After a KeyUpdate the kernel either takes the next key, or says that it
// cannot; what it must not do is go on with the old one.
func TestKernelAfterKeyUpdate(t *testing.T) {
	fd, near, far := pair(t)
	attach(t, fd)
	in := newKey(t, tls.TLS_AES_128_GCM_SHA256)
	if err := SetKey(fd, Receive, in, 0); err != nil {
		t.Fatal(err)
	}
	next, err := in.Next()
	if err != nil {
		t.Fatal(err)
	}
	records := in.seal(Handshake, []byte{24, 0, 0, 1, 0}, 0)
	if _, err := far.Write(append(records, next.seal(ApplicationData, []byte("new key"), 0)...)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 100)
	if _, err := near.Read(got); !errors.Is(err, unix.EIO) {
		t.Fatalf("%v; want EIO", err)
	}
	if _, typ, err := ReceiveRecord(fd, got); err != nil || typ != Handshake {
		t.Fatalf("type %d, %v", typ, err)
	}
	switch err := SetKey(fd, Receive, next, 0); {
	case errors.Is(err, ErrUnsupported):
		t.Logf("no second key: %v", err)
		if n, err := near.Read(got); err == nil {
			t.Errorf("read %q with the old key", got[:n])
		}
	case err != nil:
		t.Fatal(err)
	default:
		if n, err := near.Read(got); err != nil || string(got[:n]) != "new key" {
			t.Errorf("read %q, %v", got[:n], err)
		}
	}
}

// Large writes come in records of at most 16 KB, whole, whatever the kernel
// takes at a time.
func TestKernelSendsMuch(t *testing.T) {
	for _, size := range []int{1, 16 << 10, 16<<10 + 1, 1 << 20} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			fd, near, far := pair(t)
			attach(t, fd)
			out := newKey(t, tls.TLS_AES_256_GCM_SHA384)
			if err := SetKey(fd, Transmit, out, 0); err != nil {
				t.Fatal(err)
			}
			text := make([]byte, size)
			if _, err := rand.Read(text); err != nil {
				t.Fatal(err)
			}
			sent := make(chan error, 1)
			go func() {
				_, err := near.Write(text)
				sent <- err
			}()
			var got []byte
			for seq := uint64(0); len(got) < size; seq++ {
				record, err := readRecord(far)
				if err != nil {
					t.Fatal(err)
				}
				_, part, err := out.open(record, seq)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, part...)
			}
			if err := <-sent; err != nil || !bytes.Equal(got, text) {
				t.Errorf("%v, or other bytes", err)
			}
		})
	}
}
