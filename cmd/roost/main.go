// Command roost serves WebSocket connections: a push backend that speaks the
// Pusher Channels protocol (roost serve), and an echo server for conformance
// and load tools (roost echo).
//
// It is the only place that knows every package of the repository. It parses
// flags and environment, says in one line what it is going to hold, and turns
// signals into a graceful end; what a connection means is for the packages
// below it.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"
)

// Exit codes, as `roost --help` documents them.
const (
	exitOK          = 0
	exitFailure     = 1 // something failed while serving, or a second signal cut the drain short
	exitUsage       = 2 // a flag, an environment variable or the configuration file is wrong
	exitListen      = 3 // an address cannot be listened on
	exitDescriptors = 4 // the descriptor limit is too low for what was asked
	exitRefused     = 5 // the called server refused the call
	exitUnreachable = 6 // the called server gave no answer
	exitMemory      = 7 // memory is too little for what was asked
)

const description = `roost serves very many WebSocket connections from an event loop, and talks to a server that does.

A flag whose help names a variable can be set in the environment: --listen as ROOST_LISTEN.
A flag on the command line wins over the environment, that over the file of serve --config,
and that over the default.

Exit codes: 0 done, or ended after a drain, 1 failed while serving or a second signal cut the drain short,
2 wrong flag, environment variable or configuration file, 3 cannot listen on an address,
4 descriptor limit too low, 5 the called server refused, 6 the called server did not answer,
7 too little memory.`

// cli is the whole command line.
type cli struct {
	Log logFlags `embed:"" prefix:"log-"`

	Serve serveCmd `cmd:"" help:"Run the push backend: Pusher Channels protocol and its HTTP API on one port."`
	Echo  echoCmd  `cmd:"" help:"Run an echo server, for conformance suites and load generators."`

	Publish   publishCmd   `cmd:"" help:"Publish an event."`
	Channels  channelsCmd  `cmd:"" help:"List the channels that have subscribers, or look at one."`
	Users     usersCmd     `cmd:"" help:"List who is on a presence channel."`
	Terminate terminateCmd `cmd:"" help:"Close all connections of a user."`
	Sign      signCmd      `cmd:"" help:"Authorise a connection for a channel, or sign a user in, as a backend would."`
	Token     tokenCmd     `cmd:"" help:"Make a token (JWT) that names a user and channels, as a backend would."`

	Checkconfig checkconfigCmd `cmd:"" help:"Look for mistakes in a configuration file and the environment."`
	Genconfig   genconfigCmd   `cmd:"" help:"Print a configuration file with a new app and every setting explained."`
	Doctor      doctorCmd      `cmd:"" help:"Say how many connections fit on this machine, and what to change for more (Linux)."`
	Completion  completionCmd  `cmd:"" help:"Print the script that completes commands and flags in a shell."`

	Bounds  boundsCmd  `cmd:"" hidden:"" help:"Print every limit and deadline as a table, for the documentation."`
	Version versionCmd `cmd:"" help:"Print the version and the toolchain roost was built with."`
}

// environment is what a command gets from the world besides its flags.
type environment struct {
	stdin  io.Reader // data of an event, when asked for
	stdout io.Writer // what a person or a script asked for
	stderr io.Writer // logs
}

// exitError is an error that ends the program with a code of its own. Its text
// is one sentence that says what is wrong and what to do.
type exitError struct {
	code int
	text string
}

func (e *exitError) Error() string { return e.text }

func exitf(code int, format string, args ...any) error {
	return &exitError{code: code, text: fmt.Sprintf(format, args...)}
}

func main() {
	err := run(os.Args[1:], environment{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr})
	if err == nil {
		os.Exit(exitOK)
	}
	fmt.Fprintln(os.Stderr, "roost:", err)
	var exit *exitError
	if errors.As(err, &exit) {
		os.Exit(exit.code)
	}
	os.Exit(exitFailure)
}

// newParser returns what parses a command line into flags.
func newParser(flags *cli, env environment) (*kong.Kong, error) {
	return kong.New(flags,
		kong.Name("roost"),
		kong.Description(description),
		kong.DefaultEnvars("ROOST"),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.UsageOnError(),
		kong.Writers(env.stdout, env.stderr),
		kong.Resolvers(&fileResolver{}),
	)
}

// run parses args and runs the command they name.
func run(args []string, env environment) error {
	var flags cli
	parser, err := newParser(&flags, env)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	if args[0] == completeCommand {
		return complete(env, parser.Model, args[1:])
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		return usageError(err)
	}
	return ctx.Run(env, &flags.Log)
}

// usageError says which flag is wrong and where its help is.
func usageError(err error) error {
	var exit *exitError
	if errors.As(err, &exit) {
		return exit
	}
	help := "roost --help"
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil && parse.Context.Command() != "" {
		help = "roost " + parse.Context.Command() + " --help"
	}
	return exitf(exitUsage, "%v (see '%s')", err, help)
}
