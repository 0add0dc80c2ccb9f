// Command roost-torture tests any WebSocket echo server from outside: what RFC
// 6455 allows and forbids, in one piece, byte by byte and cut in two everywhere.
// Or any server of the Pusher Channels protocol.
package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"github.com/roost-ws/roost/bench/torture"
)

// Exit statuses.
const (
	exitFailed = 1 // the server failed a case
	exitUsage  = 2 // no case was played: wrong flags, or no echo server there
)

type command struct {
	URL string `arg:"" help:"The server, which echoes unless an app is named: ws://host:port/path or wss://host:port/path."`

	CA       string `placeholder:"FILE" help:"For wss: trust the certificates in this PEM file, not those of the system."`
	Insecure bool   `short:"k" help:"For wss: take any certificate."`

	Run        *regexp.Regexp `placeholder:"REGEXP" help:"Only cases whose id matches, such as ^F5/ or utf8."`
	Skip       *regexp.Regexp `placeholder:"REGEXP" help:"Not the cases whose id matches."`
	List       bool           `help:"List the cases and play none."`
	JSON       bool           `name:"json" help:"A line of JSON for every result instead of the failures and a table."`
	Record     string         `placeholder:"FILE" help:"Keep the counts and what failed in a file, as JSON."`
	Name       string         `placeholder:"TEXT" help:"What the record calls the server."`
	Verbose    bool           `short:"v" help:"A line for every success too."`
	Pid        int            `placeholder:"N" help:"The server's process id: watch its descriptors, memory and CPU too."`
	Admin      string         `placeholder:"URL" help:"A Go server's address for operators, with /metrics and /debug/pprof: watch its heap, goroutines and counters too."`
	Log        string         `placeholder:"FILE" help:"The file that the server logs to: watch what gets into it."`
	App        appFlags       `embed:"" prefix:"app-" group:"For a server of the Pusher Channels protocol, whose rows are other ones:"`
	Exhaustive bool           `help:"All 65,536 status codes, not a sample."`
	Deflate    bool           `help:"The cases of permessage-deflate too; they are told as not applicable when the server declines it."`
	Jobs       int            `default:"32" help:"Connections in use at once (${default})."`
	Gap        time.Duration  `default:"1ms" help:"Pause between two pieces of something cut (${default})."`
	Timeout    time.Duration  `default:"5s" help:"Patience for an answer (${default})."`
	Delay      time.Duration  `default:"50ms" help:"How long an honest connection may wait for all but one in a hundred of its echoes, or five times as long as when it is alone (${default})."`

	MaxMessage       int           `group:"The server's limits (-1 leaves their cases out):" default:"16777216" help:"Bytes of a message (${default})."`
	MaxFragments     int           `group:"The server's limits (-1 leaves their cases out):" default:"100000" help:"Fragments of a message (${default})."`
	MaxHeader        int           `group:"The server's limits (-1 leaves their cases out):" default:"8192" help:"Bytes of a request head (${default})."`
	MaxFields        int           `group:"The server's limits (-1 leaves their cases out):" default:"100" help:"Fields of a request (${default})."`
	MaxTarget        int           `group:"The server's limits (-1 leaves their cases out):" default:"4096" help:"Bytes of a request target (${default})."`
	HandshakeTimeout time.Duration `group:"The server's limits (-1 leaves their cases out):" default:"10s" help:"From accept to 101, absolute (${default}; -1s)."`
	CloseTimeout     time.Duration `group:"The server's limits (-1 leaves their cases out):" default:"5s" help:"From the Close frame to the end of the socket (${default}; -1s)."`
	TLSTimeout       time.Duration `name:"tls-timeout" group:"The server's limits (-1 leaves their cases out):" default:"5s" help:"For wss: from accept to the end of the TLS handshake, absolute (${default}; -1s)."`

	Known knownFlags `embed:"" group:"What not every server has (their cases are played where it is said):"`
}

// knownFlags are limits and deadlines that are left out unless somebody says what they are.
type knownFlags struct {
	PingInterval   time.Duration `placeholder:"D" help:"A client's silence before it is sent a Ping."`
	SilenceTimeout time.Duration `placeholder:"D" help:"The silence that ends its connection: that, and the wait for its Pong."`
	MessageTimeout time.Duration `placeholder:"D" help:"From the first byte of a message to its last."`
	StallTimeout   time.Duration `placeholder:"D" help:"How long a byte may wait for a client that reads too slowly."`
	Standstill     time.Duration `placeholder:"D" help:"Stop the process (--pid) for so long, which is more than --silence-timeout."`
	MaxConns       int           `placeholder:"N" help:"Connections at a time."`
	MaxPerAddress  int           `placeholder:"N" help:"Connections of one address."`
	Origin         string        `placeholder:"URL" help:"The only origin whose pages may connect."`
}

// appFlags are an app of a server that does not echo.
type appFlags struct {
	ID     string `name:"id" placeholder:"ID" help:"An app that lets clients send events. URL may leave /app/KEY out."`
	Key    string `placeholder:"KEY" help:"What clients connect with."`
	Secret string `placeholder:"SECRET" env:"ROOST_TORTURE_APP_SECRET" help:"What signs calls of the HTTP API and authorisations; better in $$${env}."`
}

func (c *command) options() (torture.Options, error) {
	o := torture.Options{
		URL: c.URL, Insecure: c.Insecure, Run: c.Run, Skip: c.Skip, Pid: c.Pid, Admin: c.Admin, Log: c.Log,
		Jobs: c.Jobs, Gap: c.Gap, Timeout: c.Timeout, Delay: c.Delay, Exhaustive: c.Exhaustive, Deflate: c.Deflate,
		MaxMessage: c.MaxMessage, MaxFragments: c.MaxFragments,
		MaxHeader: c.MaxHeader, MaxFields: c.MaxFields, MaxTarget: c.MaxTarget,
		HandshakeTimeout: c.HandshakeTimeout, CloseTimeout: c.CloseTimeout, TLSTimeout: c.TLSTimeout,
		PingInterval: c.Known.PingInterval, SilenceTimeout: c.Known.SilenceTimeout, MessageTimeout: c.Known.MessageTimeout,
		StallTimeout: c.Known.StallTimeout, Standstill: c.Known.Standstill,
		MaxConns: c.Known.MaxConns, MaxPerAddress: c.Known.MaxPerAddress, Origin: c.Known.Origin,
	}
	if c.App.ID+c.App.Key != "" {
		o.Push = &torture.Push{App: torture.App(c.App)}
	}
	if c.CA == "" {
		return o, nil
	}
	text, err := os.ReadFile(c.CA)
	if err != nil {
		return o, err
	}
	o.Roots = x509.NewCertPool()
	if !o.Roots.AppendCertsFromPEM(text) {
		return o, fmt.Errorf("%s has no certificate in PEM", c.CA)
	}
	return o, nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program without its process.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	var c command
	exited := -1
	parser, err := kong.New(&c, kong.Name("roost-torture"), kong.Writers(out, errOut),
		kong.Exit(func(code int) { exited = code }),
		kong.Description("Tests a WebSocket server from outside: one that echoes, or one of the Pusher Channels protocol. Ends with 0 when all cases passed, 1 when one failed, 2 when none could be played."))
	if err != nil {
		fmt.Fprintln(errOut, err)
		return exitUsage
	}
	_, err = parser.Parse(args)
	if exited >= 0 { // help was asked for, and shown
		return exited
	}
	if err == nil {
		err = c.play(ctx, out)
	}
	if errors.Is(err, errFailed) {
		return exitFailed
	}
	if err != nil {
		fmt.Fprintln(errOut, "roost-torture:", err)
		return exitUsage
	}
	return 0
}

var errFailed = errors.New("a case failed")

func (c *command) play(ctx context.Context, out io.Writer) error {
	options, err := c.options()
	if err != nil {
		return err
	}
	if c.List {
		return c.list(out, options)
	}
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	summary, err := torture.Run(ctx, options, func(r torture.Result) {
		switch {
		case c.JSON:
			lines.Encode(r)
		case c.Verbose || !r.OK:
			fmt.Fprintln(out, r)
		}
	})
	if err != nil {
		return err
	}
	if c.Record != "" {
		if err := c.record(summary); err != nil {
			return err
		}
	}
	if !c.JSON {
		if err := summary.Table(out); err != nil {
			return err
		}
		if len(summary.Hidden) > 0 {
			fmt.Fprintf(out, "not applicable to TLS: %s\n", strings.Join(summary.Hidden, ", "))
		}
		if summary.Plain != "" {
			fmt.Fprintf(out, "not applicable: C1 to C16, because %s\n", summary.Plain)
		}
		fmt.Fprintf(out, "%d cases in %.1f s\n", summary.Cases, summary.Millis/1000)
	}
	if !summary.OK() {
		return errFailed
	}
	return nil
}

// record keeps a run in a file.
func (c *command) record(s *torture.Summary) error {
	text, err := json.MarshalIndent(s.Record(cmp.Or(c.Name, c.URL)), "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(c.Record, append(text, '\n'), 0o644)
}

func (c *command) list(out io.Writer, options torture.Options) error {
	cases, err := torture.List(options)
	if err != nil {
		return err
	}
	if c.JSON {
		lines := json.NewEncoder(out)
		for _, one := range cases {
			if err := lines.Encode(one); err != nil {
				return err
			}
		}
		return nil
	}
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, one := range cases {
		fmt.Fprintf(tw, "%s\t%s\t%s\n", one.ID, one.RFC, one.Name)
	}
	return tw.Flush()
}
