package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/metrics"
	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/console"
	"github.com/roost-ws/roost/server/push/demo"
	"github.com/roost-ws/roost/server/push/page"
	"github.com/roost-ws/roost/server/push/webhook"
)

type serveCmd struct {
	Config           string          `placeholder:"FILE" help:"A TOML file with apps and settings; roost genconfig writes one. SIGHUP reads its apps again."`
	Listen           address         `default:":6001" placeholder:"HOST:PORT" help:"Where clients connect and the HTTP API is called: HOST:PORT, or unix:PATH (${default})."`
	Admin            optionalAddress `default:"127.0.0.1:9601" placeholder:"HOST:PORT" help:"The console, health, metrics and profiles, for operators only; or off (${default})."`
	AdminPassword    passwordFlags   `embed:"" prefix:"admin-"`
	MetricsPrefix    metricsPrefix   `default:"roost_" placeholder:"PREFIX" help:"What the names of metrics begin with; soketi_ for dashboards made for soketi (${default})."`
	App              appFlags        `embed:"" prefix:"app-"`
	MaxConnections   quantity        `placeholder:"N" help:"Connections at a time; what descriptors and memory allow by default."`
	Overcommit       bool            `help:"Start although the memory is not there for all connections being at all their limits at once."`
	MaxPerAddress    ceiling         `default:"65536" placeholder:"N" help:"Connections of one address, an IPv6 /64 counting as one; or off, as behind a proxy (${default})."`
	MaxSubscriptions quantity        `placeholder:"N" help:"Subscriptions of all clients together, beyond one for each; more are refused. By default what a sixteenth of the memory holds, 10 million at most."`
	MaxVouched       byteSize        `placeholder:"BYTES" help:"Memory of what backends say of all members of presence channels and users together; more are refused. By default a thirty-second of the memory limit, 1GiB at most."`
	MaxHeld          byteSize        `placeholder:"BYTES" help:"Bytes that all clients together may make it hold; beyond, those that hold most are closed. By default a quarter of the memory limit, 1GiB at most."`
	ActivityTimeout  span            `default:"120s" placeholder:"D" help:"Silence after which clients ping; less than any proxy's idle timeout on the way (${default})."`
	PathPrefix       pathPrefix      `placeholder:"PATH" help:"A path that may stand before all others, such as /pusher where a proxy leaves it in place."`
	TLS              tlsFlags        `embed:"" prefix:"tls-"`
	KTLS             kernelTLS       `name:"ktls" default:"off" placeholder:"auto|off" help:"Whether the kernel does the TLS after the handshake, where it can: auto or off (${default}). Saves memory; needs Linux's module tls."`
	Deflate          deflateFlags    `embed:""`
	Demo             bool            `help:"Serve the demos below /demo/, with an app of their own, and let the page at / send events to the channel demo, for everybody who can open them; on when an app was made."`
	Drain            span            `default:"10s" placeholder:"D" help:"Over how long a SIGTERM spreads the closing of connections (${default})."`
}

// closeReconnect tells Pusher clients to come back at once: to another node, or
// to the process that takes this one's place.
const closeReconnect = 4200

func (s *serveCmd) Run(env environment, logs *logFlags) error {
	t, err := s.tenants()
	if err != nil {
		return exitf(exitUsage, "%v", err)
	}
	password, err := s.AdminPassword.read()
	if err != nil {
		return exitf(exitUsage, "%v", err)
	}
	log := logs.logger(env.stderr)
	spareMemory()
	held := raiseDescriptors()
	if err := held.check(s.MaxConnections.n); err != nil {
		return err
	}
	var srv *server.Server // not there yet when the site is opened, but when it is asked
	shown := s.site(t)
	shown.draining = func() bool { return srv.Stats().Draining }
	defer shown.close()
	c := thisMachine().ceilings()
	config := s.hub(shown.with(t.apps), c)
	var sender *webhook.Sender
	if s.Config != "" { // without a file there is no webhook, and never will be
		if sender, err = newSender(t, log); err != nil {
			return exitf(exitUsage, "%v", err)
		}
		config.Notifier = sender
	}
	hub, err := push.New(config)
	if err != nil {
		return refused(err)
	}
	certs, err := s.TLS.certificates(log)
	if err != nil {
		return exitf(exitUsage, "%v", err)
	}
	routes, err := shown.open(hub)
	if err != nil {
		return err
	}
	serving := s.serving(routes, certs, c, log)
	most := load{apps: config.Apps, subscriptions: config.Subscriptions, vouched: config.VouchedBytes, events: config.BacklogBytes, webhooks: t.webhooks.Memory(t.endpoints())}
	if most.server, err = serving.Resolve(); err != nil {
		return refused(err)
	}
	if most, err = c.fit(most, s.MaxConnections.n, s.Overcommit); err != nil {
		return err
	}
	serving.Limits.Conns = most.server.Limits.Conns
	if srv, err = hub.NewServer(serving); err != nil {
		return refused(err)
	}
	running := &service{log: log, server: srv, certs: certs, admin: adminPages{
		metrics: func(served net.Addr) http.Handler {
			return metrics.Handler(metrics.Sources{
				Server: srv, Hub: hub, API: shown.calls, Webhooks: sender, Prefix: string(s.MetricsPrefix), Port: port(served),
			})
		},
		console:  console.New(console.Config{Server: srv, Hub: hub, Version: version()}),
		password: password,
	}}
	if sender != nil {
		running.admin.letters = deadLetters{sender}.handler()
	}
	if t.made {
		running.ready = func(addr net.Addr) { printApp(env.stdout, t.apps[0], addr, certs != nil) }
	} else {
		running.reload = (&reloader{serve: s, log: log, hub: hub, site: shown, sender: sender, server: srv, now: t, webhooks: t.webhooks, most: most}).reload
	}
	err = running.serve(s.Listen, s.Admin, held,
		slog.String("memory_at_most", mebibytes(most.budget().most())),
		slog.Int("apps", len(t.apps)),
		slog.String("apps_from", t.from),
		slog.Int("webhooks", t.endpoints()),
		slog.String("activity_timeout", s.ActivityTimeout.String()))
	if sender != nil {
		closeSender(sender, t, log, err != nil)
	}
	return err
}

// check does what Run does with the flags, up to what depends on the machine.
func (s *serveCmd) check(t *tenants) error {
	if _, err := s.AdminPassword.read(); err != nil {
		return exitf(exitUsage, "%v", err)
	}
	log := slog.New(slog.DiscardHandler)
	certs, err := s.TLS.certificates(log)
	if err != nil {
		return exitf(exitUsage, "%v", err)
	}
	shown, c := s.site(t), thisMachine().ceilings()
	defer shown.close()
	hub, err := push.New(s.hub(shown.with(t.apps), c))
	if err != nil {
		return refused(err)
	}
	srv, err := hub.NewServer(s.serving(http.NotFoundHandler(), certs, c, log))
	if err != nil {
		return refused(err)
	}
	return srv.Close()
}

// site is what is served besides WebSocket.
func (s *serveCmd) site(t *tenants) *site {
	shown := &site{app: t.apps[0], prefix: s.PathPrefix, console: consoleURL(s.Admin)}
	if s.Demo || t.made {
		shown.demos = demo.New()
	}
	return shown
}

// hub is the configuration of what serves apps.
func (s *serveCmd) hub(apps []push.App, c ceilings) push.Config {
	return push.Config{
		Apps: apps, ActivityTimeout: time.Duration(s.ActivityTimeout),
		Subscriptions: c.subscriptions(s.MaxSubscriptions.n), BacklogBytes: c.events(), VouchedBytes: c.vouched(s.MaxVouched),
	}
}

// serving is the server's configuration.
func (s *serveCmd) serving(routes http.Handler, certs *certificates, c ceilings, log *slog.Logger) server.Config {
	return server.Config{
		HTTP: routes,
		Limits: server.Limits{
			Conns: s.MaxConnections.n, ConnsPerAddress: s.MaxPerAddress.config(), Held: c.held(s.MaxHeld), HTTPConns: c.httpConns(),
		},
		Timeouts:     server.Timeouts{Drain: time.Duration(s.Drain)},
		Deflate:      s.Deflate.config(),
		TLS:          certs.config(),
		KernelTLS:    s.KTLS.on(),
		ShutdownCode: closeReconnect,
		Logger:       log,
	}
}

// printApp says what it takes to use an app that was made for this run.
func printApp(w io.Writer, app push.App, addr net.Addr, secure bool) {
	fmt.Fprintf(w, `
No app is configured, so one was made. It is gone when this process ends; to keep it, set

  ROOST_APP_ID=%s
  ROOST_APP_KEY=%s
  ROOST_APP_SECRET=%s

`, app.ID, app.Key, app.Secret)
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return // a unix socket: only the proxy in front knows where clients connect
	}
	host, port := "localhost", strconv.Itoa(tcp.Port)
	if !tcp.IP.IsUnspecified() && !tcp.IP.IsLoopback() {
		host = tcp.IP.String()
	}
	scheme, portOption := "http", "wsPort"
	if secure {
		scheme, portOption = "https", "wssPort"
	}
	fmt.Fprintf(w, `Look at it:  %[8]s://%[6]s/
Demos:       %[8]s://%[6]s/demo/

In a web page (npm install pusher-js):

  const pusher = new Pusher('%[2]s', {
    wsHost: '%[4]s', %[9]s: %[5]s, forceTLS: %[10]t, enabledTransports: ['ws', 'wss'], cluster: '',
  });
  pusher.subscribe('%[7]s').bind('hello', (data) => console.log(data));

In a backend (npm install pusher):

  const pusher = new Pusher({
    appId: '%[1]s', key: '%[2]s', secret: '%[3]s',
    host: '%[4]s', port: '%[5]s', useTLS: %[10]t,
  });
  await pusher.trigger('%[7]s', 'hello', { text: 'it works' });

`, app.ID, app.Key, app.Secret, host, port, net.JoinHostPort(host, port), page.Channel, scheme, portOption, secure)
}
