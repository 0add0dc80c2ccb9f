// Command updates tells all its clients the same news in one of the ways the
// web knows: over WebSocket (on package server), as server-sent events, as
// long polls or as polls (on net/http). An update is a line
//
//	<number> <nanoseconds of the monotonic clock> <padding>
//
// of a fixed length. Polls name the last number they have and get all newer
// lines.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/roost-ws/roost/server"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "host:port to listen on")
	way := flag.String("way", "websocket", "websocket, sse, long-polling or polling")
	every := flag.Duration("every", 500*time.Millisecond, "time between two updates")
	size := flag.Int("size", 128, "bytes of an update")
	flag.Parse()

	n := &news{size: *size}
	n.grown.L = &n.mu
	ready, tell, err := n.listen(*way, *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready", ready)
	go func() {
		for range time.Tick(*every) {
			tell(n.add())
		}
	}()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	<-stop
}

// listen serves one way. tell is called with each new update.
func (n *news) listen(way, addr string) (ready string, tell func([]byte), err error) {
	if way == "websocket" {
		return n.websocket(addr)
	}
	ways := map[string]http.HandlerFunc{"sse": n.events, "long-polling": n.longPoll, "polling": n.poll}
	h := ways[way]
	if h == nil {
		return "", nil, fmt.Errorf("there is no way %q", way)
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return "", nil, err
	}
	go func() { log.Fatal(http.Serve(ln, h)) }()
	return ln.Addr().String(), func([]byte) {}, nil
}

// websocket pushes each update to every connection, loop by loop.
func (n *news) websocket(addr string) (ready string, tell func([]byte), err error) {
	var srv *server.Server
	var conns [][]*server.Conn // by loop; each touched only on its loop, where callbacks of Inline run
	srv, err = server.New(server.Handler{
		OnOpen: func(c *server.Conn, _ *server.Request) {
			conns[c.Loop()] = append(conns[c.Loop()], c)
		},
		OnClose: func(c *server.Conn, _ *server.CloseError) {
			of := conns[c.Loop()]
			for i := range of {
				if of[i] == c {
					of[i] = of[len(of)-1]
					conns[c.Loop()] = of[:len(of)-1]
					break
				}
			}
		},
	}, server.Config{Inline: true, Origins: server.Origins{Any: true}})
	if err != nil {
		return "", nil, err
	}
	conns = make([][]*server.Conn, srv.Loops())
	bound, err := srv.Listen("tcp", addr)
	if err != nil {
		return "", nil, err
	}
	return bound.String(), func(update []byte) {
		p := server.Prepare(server.Text, update)
		for loop := range conns {
			_ = srv.Post(loop, func() { // fails only when the server is closed
				for _, c := range conns[loop] {
					_ = c.SendPrepared(p)
				}
			})
		}
	}, nil
}

// kept is how many updates are kept for those who ask late.
const kept = 1024

// news is what there is to tell.
type news struct {
	size  int
	mu    sync.Mutex
	grown sync.Cond
	lines [][]byte // the last of them
	next  int      // number of the next update
}

// add makes an update and wakes those who wait for one.
func (n *news) add() []byte {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		log.Fatal(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	line := fmt.Appendf(nil, "%d %d ", n.next, ts.Nano())
	line = append(line, bytes.Repeat([]byte("."), max(0, n.size-len(line)))...)
	n.next++
	n.lines = append(n.lines, line)
	if len(n.lines) > kept {
		n.lines = append([][]byte(nil), n.lines[len(n.lines)-kept:]...)
	}
	n.grown.Broadcast()
	return line
}

// since are the updates from number from on; the caller holds mu.
func (n *news) since(from int) [][]byte {
	first := n.next - len(n.lines)
	return n.lines[min(max(from-first, 0), len(n.lines)):]
}

// wait blocks until there is an update from number from on.
func (n *news) wait(from int) [][]byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	for n.next <= from {
		n.grown.Wait()
	}
	return n.since(from)
}

func (n *news) poll(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	lines := n.since(from(r))
	n.mu.Unlock()
	_, _ = w.Write(append(bytes.Join(lines, []byte("\n")), '\n'))
}

func (n *news) longPoll(w http.ResponseWriter, r *http.Request) {
	_, _ = w.Write(append(bytes.Join(n.wait(from(r)), []byte("\n")), '\n'))
}

func (n *news) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	flush := http.NewResponseController(w)
	for next := from(r); ; {
		for _, line := range n.wait(next) {
			if _, err := fmt.Fprintf(w, "data: %s\n\n", line); err != nil {
				return
			}
			next, _ = strconv.Atoi(string(bytes.Fields(line)[0]))
			next++
		}
		if flush.Flush() != nil {
			return
		}
	}
}

// from is the number a client asks from.
func from(r *http.Request) int {
	n, _ := strconv.Atoi(r.URL.Query().Get("from"))
	return n
}
