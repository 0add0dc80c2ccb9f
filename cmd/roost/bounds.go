package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push"
)

// boundsCmd prints every limit and deadline as the table that docs/security.md
// has: make docs puts it there, and a test looks whether it is current.
type boundsCmd struct{}

func (boundsCmd) Run(env environment) error { return printBounds(env.stdout) }

// printBounds lists the limits of the library, and those with which serve starts it.
func printBounds(w io.Writer) error {
	hub, err := push.New(push.Config{Apps: []push.App{{ID: "1", Key: "k", Secret: "s"}}, ActivityTimeout: 120 * time.Second})
	if err != nil {
		return err
	}
	srv, err := hub.NewServer(server.Config{Loops: 1, Limits: server.Limits{Conns: 1}})
	if err != nil {
		return err
	}
	defer srv.Close()
	inServe := map[string]int64{}
	for _, b := range server.Bounds(srv.Config()) {
		inServe[b.Name] = b.Value
	}
	fmt.Fprintln(w, "| `server.Config` | state | what | default | at most | in `roost serve` | beyond it | counted in `Stats` |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|")
	for _, b := range server.Bounds(server.Config{}) {
		serve := amount(b.Unit, inServe[b.Name])
		if b.Default == 0 && !b.MayBeOff || inServe[b.Name] == b.Default {
			serve = "" // the machine's, or the same
		}
		def := amount(b.Unit, b.Default)
		if b.Default == 0 && !b.MayBeOff {
			def = "see there"
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", b.Name, b.State, b.What, def, amount(b.Unit, b.Max), serve, b.Beyond, b.Counter)
	}
	return nil
}

// amount writes a limit as people read it.
func amount(unit string, v int64) string {
	switch {
	case v <= 0:
		return "off"
	case unit == "time":
		s := time.Duration(v).String()
		if strings.HasSuffix(s, "m0s") {
			s = strings.TrimSuffix(s, "0s")
		}
		if strings.HasSuffix(s, "h0m") {
			s = strings.TrimSuffix(s, "0m")
		}
		return s
	case unit == "bytes" && v%1024 == 0:
		return byteSize(v).String()
	}
	return grouped(v)
}

// grouped writes 65536 as 65,536.
func grouped(v int64) string {
	s := strconv.FormatInt(v, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
