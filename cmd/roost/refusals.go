package main

import "strings"

// flagNames are what people call the fields that the packages below complain about.
var flagNames = strings.NewReplacer(
	"server: Config.Loops", "--loops",
	"server: Config.Workers", "--workers",
	"server: Config.Limits.ConnsPerAddress", "--max-per-address",
	"server: Config.Limits.Conns", "--max-connections",
	"server: Config.Limits.Message", "--max-message",
	"server: Config.Limits.Fragments", "--max-fragments",
	"server: Config.Limits.Outbound", "--max-outbound",
	"server: Config.Limits.Held", "--max-held",
	"server: Config.Timeouts.Drain", "--drain",
	"server: Config.PingInterval", "--ping-interval",
	"server: Config.IdleTimeout", "--idle-timeout",
	"server: Config.Deflate.Level", "--deflate-level",
	"push: activity timeout", "--activity-timeout",
)

// refused is the error of a package that does not take what flags and files say.
func refused(err error) error { return exitf(exitUsage, "%s", flagNames.Replace(err.Error())) }
