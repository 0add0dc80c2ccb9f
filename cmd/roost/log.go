package main

import (
	"io"
	"log/slog"
	"os"
)

// logFlags choose how the program logs. Logs go to stderr; what a command was
// asked for goes to stdout.
type logFlags struct {
	Format string     `enum:"auto,text,json" default:"auto" help:"How to write logs: text, json, or auto: text on a terminal, json elsewhere."`
	Level  slog.Level `default:"info" help:"Least level that is logged: debug, info, warn or error."`
}

func (f *logFlags) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: f.Level}
	if f.Format == "text" || f.Format == "auto" && isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
