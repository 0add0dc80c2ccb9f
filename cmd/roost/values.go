package main

import (
	"fmt"
	"net"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// address is where to listen: HOST:PORT, or unix:PATH.
type address struct {
	network, addr string
}

func (a *address) UnmarshalText(text []byte) error {
	s := string(text)
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if path == "" {
			return fmt.Errorf("%q names no file: write unix:/run/roost.sock", s)
		}
		*a = address{"unix", path}
		return nil
	}
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%q is not HOST:PORT: write :6001 for every address, 127.0.0.1:6001 for this machine only, [::1]:6001 for IPv6", s)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%q has no port from 0 to 65535 after the last colon", s)
	}
	*a = address{"tcp", s}
	return nil
}

func (a address) String() string {
	if a.network == "unix" {
		return "unix:" + a.addr
	}
	return a.addr
}

// optionalAddress is an address, or "off".
type optionalAddress struct {
	address
	on bool
}

func (a *optionalAddress) UnmarshalText(text []byte) error {
	if string(text) == "off" {
		*a = optionalAddress{}
		return nil
	}
	a.on = true
	return a.address.UnmarshalText(text)
}

func (a optionalAddress) String() string {
	if !a.on {
		return "off"
	}
	return a.address.String()
}

// byteSize is a number of bytes: 4096, 64KiB, 16MiB, 1GiB.
type byteSize int64

var byteUnits = []struct {
	suffix string
	bytes  int64
}{
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1},
}

func (b *byteSize) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	for _, unit := range byteUnits {
		digits, ok := strings.CutSuffix(s, unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n <= 0 || n > (1<<62)/unit.bytes {
			break
		}
		*b = byteSize(n * unit.bytes)
		return nil
	}
	return fmt.Errorf("%q is not a size: write 65536, 64KiB, 16MiB or 1GiB", s)
}

func (b byteSize) String() string {
	for _, unit := range byteUnits[:3] {
		if b > 0 && int64(b)%unit.bytes == 0 {
			return strconv.FormatInt(int64(b)/unit.bytes, 10) + unit.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}

// period is a duration that can be off. Its zero value is off.
type period time.Duration

func (p *period) UnmarshalText(text []byte) error {
	if string(text) == "off" {
		*p = 0
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d <= 0 {
		return fmt.Errorf("%q is not a duration: write 30s, 2m or off", text)
	}
	*p = period(d)
	return nil
}

func (p period) String() string {
	if p == 0 {
		return "off"
	}
	return time.Duration(p).String()
}

// config is the duration in server.Config's terms, where zero means the
// default and negative means off.
func (p period) config() time.Duration {
	if p == 0 {
		return -1
	}
	return time.Duration(p)
}

// ceiling is a largest number that can be off. Its zero value is off.
type ceiling int

func (c *ceiling) UnmarshalText(text []byte) error {
	if string(text) == "off" {
		*c = 0
		return nil
	}
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 1 {
		return fmt.Errorf("%q is not a number from 1: write 1000 or off", text)
	}
	*c = ceiling(n)
	return nil
}

func (c ceiling) String() string {
	if c == 0 {
		return "off"
	}
	return strconv.Itoa(int(c))
}

// config is the number in server.Config's terms, where zero means the default
// and negative means off.
func (c ceiling) config() int {
	if c == 0 {
		return -1
	}
	return int(c)
}

// pathPrefix is the beginning of a path, "" or /a/b, as it is written in URLs.
type pathPrefix string

func (p *pathPrefix) UnmarshalText(text []byte) error {
	s := string(text)
	u, err := url.Parse(s)
	if s != "" && (err != nil || s[0] != '/' || u.EscapedPath() != s || path.Clean(s) != s || s == "/") {
		return fmt.Errorf("%q is not the beginning of a path: write /pusher, with no slash at the end", s)
	}
	*p = pathPrefix(s)
	return nil
}

func (p pathPrefix) String() string { return string(p) }

// metricsPrefix is what names of metrics may begin with.
type metricsPrefix string

var metricsPrefixPattern = regexp.MustCompile(`\A[a-zA-Z_][a-zA-Z0-9_]{0,63}\z`)

func (p *metricsPrefix) UnmarshalText(text []byte) error {
	if !metricsPrefixPattern.Match(text) {
		return fmt.Errorf("%q cannot begin the name of a metric: write letters, digits and _, such as roost_", text)
	}
	*p = metricsPrefix(text)
	return nil
}
