package main

import (
	"os"
	"slices"

	"github.com/alecthomas/kong"
)

// fileResolver gives kong what the file of `serve --config` says about flags
// that neither the command line nor the environment sets.
type fileResolver struct {
	file *file // once it was read
}

// Validate has nothing to add: readFile refuses what the file must not say.
func (r *fileResolver) Validate(*kong.Application) error { return nil }

// Resolve is asked about every flag that is not on the command line.
func (r *fileResolver) Resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if selected := ctx.Selected(); selected == nil || selected.Name != "serve" || flag.Name == "config" {
		return nil, nil
	}
	if slices.ContainsFunc(flag.Envs, func(name string) bool { _, set := os.LookupEnv(name); return set }) {
		return nil, nil
	}
	if r.file == nil {
		i := slices.IndexFunc(ctx.Flags(), func(f *kong.Flag) bool { return f.Name == "config" })
		path, _ := ctx.FlagValue(ctx.Flags()[i]).(string)
		if path == "" {
			return nil, nil
		}
		var err error
		if r.file, err = readFile(path); err != nil {
			return nil, exitf(exitUsage, "%v", err) // it is not the flag's fault
		}
	}
	if value, ok := r.file.flag(flag.Name); ok {
		return value, nil
	}
	return nil, nil
}
