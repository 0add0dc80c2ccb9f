package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/metrics"
	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/api"
	"github.com/roost-ws/roost/server/push/page"
)

type serveCmd struct {
	Listen          address         `default:":6001" placeholder:"HOST:PORT" help:"Where clients connect and the HTTP API is called: HOST:PORT, or unix:PATH (${default})."`
	Admin           optionalAddress `default:"127.0.0.1:9601" placeholder:"HOST:PORT" help:"Health, metrics and profiles, for operators only; or off (${default})."`
	App             appFlags        `embed:"" prefix:"app-"`
	MaxConnections  int             `placeholder:"N" help:"Connections at a time; what the descriptor limit allows by default."`
	MaxPerAddress   ceiling         `default:"65536" placeholder:"N" help:"Connections of one address, an IPv6 /64 counting as one; or off, as behind a proxy (${default})."`
	ActivityTimeout time.Duration   `default:"120s" placeholder:"D" help:"Silence after which clients ping; less than any proxy's idle timeout on the way (${default})."`
	Demo            bool            `help:"Let the page at / send events to the channel demo, for everybody who can open it; on when an app was made."`
	Drain           time.Duration   `default:"10s" placeholder:"D" help:"Over how long a SIGTERM spreads the closing of connections (${default})."`
}

// appFlags are the one app that a server without a file of apps has.
type appFlags struct {
	ID     string `name:"id" help:"The app's id in the HTTP API, digits. With no app at all, one is made and printed."`
	Key    string `help:"The app's key, which clients connect with."`
	Secret string `help:"The app's secret, which signs calls of the HTTP API. Better set in the environment: a command line can be read by others."`
}

func (s *serveCmd) Run(env environment, logs *logFlags) error {
	app, made, err := s.App.app()
	if err != nil {
		return err
	}
	log := logs.logger(env.stderr)
	spareMemory()
	held := raiseDescriptors()
	conns, err := held.connections(s.MaxConnections)
	if err != nil {
		return err
	}
	hub, err := push.New(push.Config{Apps: []push.App{app}, ActivityTimeout: s.ActivityTimeout})
	if err != nil {
		return exitf(exitUsage, "%v", err)
	}
	routes, err := routes(hub, app, s.Demo || made)
	if err != nil {
		return err
	}
	srv, err := hub.NewServer(server.Config{
		HTTP:     routes,
		Limits:   server.Limits{Conns: conns, ConnsPerAddress: s.MaxPerAddress.config()},
		Timeouts: server.Timeouts{Drain: s.Drain},
		Logger:   log,
	})
	if err != nil {
		return exitf(exitUsage, "%v", err)
	}
	running := &service{log: log, server: srv, metrics: metrics.Handler(srv, hub), drain: s.Drain}
	if made {
		running.ready = func(addr net.Addr) { printApp(env.stdout, app, addr) }
	}
	return running.serve(s.Listen, s.Admin, held, conns,
		slog.String("app", app.ID),
		slog.Group("limits",
			"connections_per_address", s.MaxPerAddress.String(),
			"activity_timeout", s.ActivityTimeout.String(),
			"event_data", byteSize(push.DefaultDataBytes).String(),
			"channels_per_connection", push.DefaultChannelsPerConnection,
			"channels_per_event", push.DefaultChannelsPerEvent,
		))
}

// routes is what is served on the clients' port besides WebSocket. The API
// comes first: it needs paths as they were signed, which a mux tidies.
func routes(hub *push.Hub, app push.App, demo bool) (http.Handler, error) {
	shown, err := page.New(hub, app.ID, page.Config{Demo: demo, Version: version()})
	if err != nil {
		return nil, err
	}
	calls := api.New(hub)
	calls.Fallback = shown
	return calls, nil
}

// app returns the app of the flags, or a made one when there are none.
func (f *appFlags) app() (app push.App, made bool, err error) {
	app = push.App{ID: f.ID, Key: f.Key, Secret: f.Secret}
	switch {
	case f.ID != "" && f.Key != "" && f.Secret != "":
		return app, false, nil
	case f.ID != "" || f.Key != "" || f.Secret != "":
		return app, false, exitf(exitUsage, "--app-id, --app-key and --app-secret belong together: set all three (or ROOST_APP_ID, ROOST_APP_KEY and ROOST_APP_SECRET), or none to have an app made")
	}
	// Some SDKs insist on an id of digits.
	n, err := rand.Int(rand.Reader, big.NewInt(900_000))
	if err != nil {
		return app, false, err
	}
	return push.App{ID: strconv.FormatInt(100_000+n.Int64(), 10), Key: token(10), Secret: token(16)}, true, nil
}

// token returns n random bytes in hex.
func token(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails; crypto/rand ends the process if the system has no randomness
	return hex.EncodeToString(b)
}

// printApp says what it takes to use an app that was made for this run.
func printApp(w io.Writer, app push.App, addr net.Addr) {
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
	fmt.Fprintf(w, `Look at it:  http://%[6]s/

In a web page (npm install pusher-js):

  const pusher = new Pusher('%[2]s', {
    wsHost: '%[4]s', wsPort: %[5]s, forceTLS: false, enabledTransports: ['ws', 'wss'], cluster: '',
  });
  pusher.subscribe('%[7]s').bind('hello', (data) => console.log(data));

In a backend (npm install pusher):

  const pusher = new Pusher({
    appId: '%[1]s', key: '%[2]s', secret: '%[3]s',
    host: '%[4]s', port: '%[5]s', useTLS: false,
  });
  await pusher.trigger('%[7]s', 'hello', { text: 'it works' });

`, app.ID, app.Key, app.Secret, host, port, net.JoinHostPort(host, port), page.Channel)
}
