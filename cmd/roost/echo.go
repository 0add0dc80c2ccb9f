package main

import (
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/metrics"
)

type echoCmd struct {
	Listen         address         `required:"" placeholder:"HOST:PORT" help:"Where to serve: HOST:PORT, or unix:PATH."`
	Admin          optionalAddress `default:"off" placeholder:"HOST:PORT" help:"Health, metrics and profiles; off by default."`
	Workers        quantity        `xor:"where" placeholder:"N" help:"How many callbacks may block at a time (256)."`
	Inline         bool            `xor:"where" help:"Run callbacks on the loops, as handlers that never block may."`
	Loops          quantity        `placeholder:"N" help:"Event loops; one per core by default."`
	MaxConnections quantity        `placeholder:"N" help:"Connections at a time; what the descriptor limit allows by default."`
	MaxPerAddress  ceiling         `default:"off" placeholder:"N" help:"Connections of one address, an IPv6 /64 counting as one; off by default, as load generators come from one."`
	MaxMessage     byteSize        `default:"16MiB" placeholder:"BYTES" help:"Largest message (${default})."`
	MaxFragments   quantity        `default:"100000" placeholder:"N" help:"Frames a message may be cut into (${default})."`
	MaxOutbound    byteSize        `default:"64MiB" placeholder:"BYTES" help:"Bytes that may wait for a client that reads slowly (${default})."`
	MaxHeld        byteSize        `placeholder:"BYTES" help:"Bytes that all clients together may make it hold; beyond, those that hold most are closed. By default a quarter of the memory limit, 1GiB at most."`
	PingInterval   period          `default:"30s" placeholder:"D" help:"Silence after which a client is pinged, or off (${default})."`
	PongTimeout    span            `default:"30s" placeholder:"D" help:"How long anything may then take to come (${default})."`
	IdleTimeout    period          `default:"off" placeholder:"D" help:"Silence after which a connection is closed; off by default."`
	MessageTimeout span            `default:"60s" placeholder:"D" help:"From the first byte of a message to its last (${default})."`
	StallTimeout   span            `default:"10s" placeholder:"D" help:"How long a byte may wait for a client that reads slowly (${default})."`
	Origins        []string        `placeholder:"ORIGIN,..." help:"The web pages that may connect, such as https://app.example.com; all by default."`
	TLS            tlsFlags        `embed:"" prefix:"tls-"`
	KTLS           kernelTLS       `name:"ktls" default:"off" placeholder:"auto|off" help:"Whether the kernel does the TLS after the handshake, where it can: auto or off (${default}). Saves memory; needs Linux's module tls."`
	Deflate        deflateFlags    `embed:""`
	Drain          span            `default:"10s" placeholder:"D" help:"How long a SIGTERM may take to close every connection (${default})."`
}

func (e *echoCmd) Run(env environment, logs *logFlags) error {
	log := logs.logger(env.stderr)
	spareMemory()
	held := raiseDescriptors()
	if err := held.check(e.MaxConnections.n); err != nil {
		return err
	}
	certs, err := e.TLS.certificates(log)
	if err != nil {
		return exitf(exitUsage, "%v", err)
	}
	config := e.config(log)
	config.TLS = certs.config()
	srv, err := server.New(server.Handler{
		OnMessage: func(c *server.Conn, op server.Opcode, message []byte) {
			// A connection that cannot take its echo is closed by the server's own policy.
			_ = c.Send(op, message)
		},
	}, config)
	if err != nil {
		return refused(err)
	}
	s := &service{log: log, server: srv, certs: certs, admin: adminPages{metrics: func(served net.Addr) http.Handler {
		return metrics.Handler(metrics.Sources{Server: srv, Port: port(served)})
	}}}
	return s.serve(e.Listen, e.Admin, held)
}

func (e *echoCmd) config(log *slog.Logger) server.Config {
	return server.Config{
		Inline:  e.Inline,
		Workers: e.Workers.n,
		Loops:   e.Loops.n,
		Limits: server.Limits{
			Conns:           e.MaxConnections.n,
			ConnsPerAddress: e.MaxPerAddress.config(),
			Message:         int(e.MaxMessage),
			Fragments:       e.MaxFragments.n,
			Outbound:        int(e.MaxOutbound),
			Held:            thisMachine().ceilings().held(e.MaxHeld),
		},
		Timeouts: server.Timeouts{
			Message: time.Duration(e.MessageTimeout), Stall: time.Duration(e.StallTimeout), Drain: time.Duration(e.Drain),
		},
		Deflate:      e.Deflate.config(),
		KernelTLS:    e.KTLS.on(),
		PingInterval: e.PingInterval.config(),
		PongTimeout:  time.Duration(e.PongTimeout),
		IdleTimeout:  e.IdleTimeout.config(),
		Origins:      server.Origins{Any: len(e.Origins) == 0, Allow: e.Origins},
		Logger:       log,
	}
}
