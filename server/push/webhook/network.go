package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
)

// errRefused is why a connection was not made.
var errRefused = errors.New("the address is in a network that webhooks may not reach")

// refused are the networks that are not the Internet, where a URL written by a
// customer would reach what the server's operator keeps to themselves: the
// machine, its neighbours, the metadata service of a cloud.
var refused = prefixes(
	"0.0.0.0/8",        // this network: Linux takes 0.0.0.0 for itself
	"10.0.0.0/8",       // private
	"100.64.0.0/10",    // carriers' private network; metadata services too
	"127.0.0.0/8",      // loopback
	"168.63.129.16/32", // Azure's platform, at a public address
	"169.254.0.0/16",   // link-local; metadata services
	"172.16.0.0/12",    // private
	"192.0.0.0/24",     // protocol assignments
	"192.0.2.0/24",     // documentation
	"192.88.99.0/24",   // relays to 6to4, withdrawn
	"192.168.0.0/16",   // private
	"198.18.0.0/15",    // benchmarks
	"198.51.100.0/24",  // documentation
	"203.0.113.0/24",   // documentation
	"224.0.0.0/4",      // multicast
	"240.0.0.0/4",      // reserved, and broadcast
	"::/96",            // unspecified, loopback, and IPv4 in an old form
	"64:ff9b:1::/48",   // translation to private IPv4
	"100::/64",         // discard
	"2001::/23",        // protocol assignments; Teredo carries any IPv4 address
	"2001:db8::/32",    // documentation
	"2002::/16",        // 6to4 carries any IPv4 address
	"3fff::/20",        // documentation
	"5f00::/16",        // segment routing
	"fc00::/7",         // private
	"fe80::/10",        // link-local
	"fec0::/10",        // site-local, of old
	"ff00::/8",         // multicast
)

// nat64 addresses are IPv4 addresses to a network that translates them.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

func prefixes(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, t := range texts {
		list = append(list, netip.MustParsePrefix(t))
	}
	return list
}

// mayReach reports whether a request may go to addr.
func mayReach(addr netip.Addr, allowed []netip.Prefix) bool {
	addr = addr.WithZone("").Unmap()
	within := func(p netip.Prefix) bool { return p.Contains(addr) }
	if slices.ContainsFunc(allowed, within) {
		return true
	}
	if nat64.Contains(addr) {
		b := addr.As16()
		return mayReach(netip.AddrFrom4([4]byte(b[12:])), allowed)
	}
	return addr.IsValid() && !slices.ContainsFunc(refused, within)
}

// control returns what a net.Dialer asks before it connects to an address. By
// then the name is resolved: one that changes its mind between a check and the
// connection gains nothing.
func control(allowed []netip.Prefix) func(context.Context, string, string, syscall.RawConn) error {
	return func(_ context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %s", errRefused, address)
		}
		if !mayReach(to.Addr(), allowed) {
			return fmt.Errorf("%w: %s", errRefused, to.Addr())
		}
		return nil
	}
}
