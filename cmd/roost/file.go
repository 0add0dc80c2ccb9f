package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// file is what a configuration file may say. A key that is not here is an error:
// a limit that somebody misspelt is a limit that does not hold.
type file struct {
	Server   serverTable   `toml:"server"`
	Log      logTable      `toml:"log"`
	Webhooks webhooksTable `toml:"webhooks"`
	Apps     []appTable    `toml:"apps"`

	path string
}

// serverTable has a key for each flag of serve, by the flag's name, with _ for -.
type serverTable struct {
	Listen            *address         `toml:"listen"`
	Admin             *optionalAddress `toml:"admin"`
	AdminPassword     *string          `toml:"admin_password"`
	AdminPasswordFile *string          `toml:"admin_password_file"`
	MetricsPrefix     *metricsPrefix   `toml:"metrics_prefix"`
	MaxConnections    *int             `toml:"max_connections"`
	Overcommit        *bool            `toml:"overcommit"`
	MaxPerAddress     *ceiling         `toml:"max_per_address"`
	MaxSubscriptions  *int             `toml:"max_subscriptions"`
	MaxVouched        *byteSize        `toml:"max_vouched"`
	MaxHeld           *byteSize        `toml:"max_held"`
	ActivityTimeout   *duration        `toml:"activity_timeout"`
	PathPrefix        *pathPrefix      `toml:"path_prefix"`
	TLSCert           *fileList        `toml:"tls_cert"`
	TLSKey            *fileList        `toml:"tls_key"`
	KTLS              *kernelTLS       `toml:"ktls"`
	Deflate           *bool            `toml:"deflate"`
	DeflateLevel      *int             `toml:"deflate_level"`
	DeflateContext    *bool            `toml:"deflate_context"`
	DeflateMinSize    *byteSize        `toml:"deflate_min_size"`
	Demo              *bool            `toml:"demo"`
	Drain             *duration        `toml:"drain"`
}

type logTable struct {
	Format *logFormat  `toml:"format"`
	Level  *slog.Level `toml:"level"`
}

// readFile reads the file at path. Its errors have a line for each mistake.
func readFile(path string) (*file, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	f := &file{path: path}
	if err := decodeStrictly(text, f); err != nil {
		return nil, mistakes(path, text, err)
	}
	if p := f.Server.AdminPasswordFile; p != nil {
		*p = f.beside(*p)
	}
	for _, list := range []*fileList{f.Server.TLSCert, f.Server.TLSKey} {
		if list != nil {
			for i, name := range *list {
				(*list)[i] = f.beside(name)
			}
		}
	}
	return f, nil
}

func decodeStrictly(text []byte, f *file) error {
	return toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(f)
}

// wrongType is how the decoder says that a value has another type than its key.
var wrongType = regexp.MustCompile(`cannot decode TOML (\w+) into .*of type (.+)`)

// mistakes says where in the file each error of the decoder is.
func mistakes(path string, text []byte, err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) {
		var all []error
		for i := range unknown.Errors {
			line, _ := unknown.Errors[i].Position()
			all = append(all, fmt.Errorf("%s:%d: unknown key %s", path, line, strings.Join(unknown.Errors[i].Key(), ".")))
		}
		return errors.Join(all...)
	}
	said := wrongType.ReplaceAllString(strings.TrimPrefix(err.Error(), "toml: "), "$1 where $2 is needed")
	var placed *toml.DecodeError
	if errors.As(err, &placed) {
		line, _ := placed.Position()
		if key := strings.Join(placed.Key(), "."); key != "" {
			said = key + ": " + said
		}
		return fmt.Errorf("%s:%d: %s", path, line, said)
	}
	// The decoder does not say where a number stands that should have been a
	// text. It is in the first line without which there is no such error.
	for line, end := 1, 0; end < len(text); line++ {
		if i := bytes.IndexByte(text[end:], '\n'); i >= 0 {
			end += i + 1
		} else {
			end = len(text)
		}
		if again := decodeStrictly(text[:end:end], &file{}); again != nil && again.Error() == err.Error() {
			return fmt.Errorf("%s:%d: %s", path, line, said)
		}
	}
	return fmt.Errorf("%s: %s", path, said)
}

// beside returns the path of a file that f names: as seen from its own folder.
func (f *file) beside(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(f.path), path)
}

// flag returns what the file says about a flag, in the flag's own words.
func (f *file) flag(name string) (value string, ok bool) {
	table := reflect.ValueOf(f.Server)
	if rest, isLog := strings.CutPrefix(name, "log-"); isLog {
		table, name = reflect.ValueOf(f.Log), rest
	}
	for i := range table.NumField() {
		key := strings.ReplaceAll(table.Type().Field(i).Tag.Get("toml"), "_", "-")
		if field := table.Field(i); key == name && !field.IsNil() {
			return fmt.Sprint(field.Elem().Interface()), true
		}
	}
	return "", false
}

// duration is a span as files write it, "30s". It is a struct so that
// a bare number is refused instead of taken for nanoseconds.
type duration struct{ time.Duration }

func (d *duration) UnmarshalText(text []byte) error {
	var s span
	if err := s.UnmarshalText(text); err != nil {
		return fmt.Errorf("%q is not a duration: write \"30s\" or \"2m\", or leave it out for the default", text)
	}
	d.Duration = time.Duration(s)
	return nil
}

// optionalDuration is one of which 0 has a meaning of its own.
type optionalDuration struct{ time.Duration }

func (d *optionalDuration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil || parsed < 0 {
		return fmt.Errorf("%q is not a duration: write \"30s\" or \"2m\"", text)
	}
	d.Duration = parsed
	return nil
}

// pause is a duration that can be "off".
type pause struct{ period }

// logFormat is what --log-format may be.
type logFormat struct{ name string }

func (f *logFormat) UnmarshalText(text []byte) error {
	switch f.name = string(text); f.name {
	case "auto", "text", "json":
		return nil
	}
	return fmt.Errorf("%q is not a format: write \"auto\", \"text\" or \"json\"", text)
}

func (f logFormat) String() string { return f.name }
