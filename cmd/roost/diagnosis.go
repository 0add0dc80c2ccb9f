package main

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"strings"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push"
)

// What a connection takes, for predictions.
const (
	// kernelConnBytes is an idle TCP socket in the kernel.
	kernelConnBytes = 3800
	// roostConnBytes is a quiet client with a subscription in roost, with the
	// collector's head-room.
	roostConnBytes = 1000
	// memoryShare is how much of the memory may be spoken for, in percent; the rest
	// is for what is not quiet.
	memoryShare = 80
	// stormBacklog is the queue of connections that are not accepted yet that a
	// crowd needs which comes back at once.
	stormBacklog = 65535

	wantedDefault = 1_000_000
	wantedMax     = 1_000_000_000
	pageBytes     = 4096
)

// states of a finding.
const (
	stateOK      = "ok"
	stateLow     = "low"
	stateNote    = "note"
	stateUnknown = "unknown"
)

// diagnose looks at everything that bounds the number of connections; wanted 0
// is a million, or what memory allows.
func diagnose(m *machine, wanted int64) *diagnosis {
	d := &diagnosis{Wanted: wanted}
	bytes, memory := m.room()
	room := bytes / 100 * memoryShare / (kernelConnBytes + roostConnBytes)
	if d.Wanted == 0 {
		d.Wanted = wantedDefault
		if memory {
			d.Wanted = max(1, min(wantedDefault, room))
		}
	}
	d.add(m.lookAtDescriptors(d.Wanted)...)
	d.add(m.lookAtQueues()...)
	d.add(m.lookAtBuffers(d.Wanted)...)
	d.add(m.lookAtNetwork(d.Wanted)...)
	d.add(m.lookAtMemory(d.Wanted)...)
	d.add(m.lookAtKernel())
	d.Connections = math.MaxInt64
	for _, f := range d.Findings {
		if f.Bound > 0 && f.Bound < d.Connections {
			d.Connections, d.BoundBy = f.Bound, f.Name
		}
	}
	return d
}

func (d *diagnosis) add(findings ...finding) { d.Findings = append(d.Findings, findings...) }

// bounded is a finding about something of which each connection takes one.
func bounded(name string, value, bound, wanted int64, why, fix string) finding {
	f := finding{Name: name, Value: written(value), State: stateOK, Why: why, Bound: max(1, bound)}
	if bound < wanted {
		f.State, f.Fix = stateLow, fix
	}
	return f
}

// written is a limit as people read it.
func written(n int64) string {
	if n >= unlimited {
		return "no limit"
	}
	return fmt.Sprint(n)
}

func unknown(name, why string) finding {
	return finding{Name: name, Value: "-", State: stateUnknown, Why: why}
}

// serveReserve is how many descriptors roost serve keeps for what is no client of
// WebSocket: HTTP above all.
func serveReserve() int64 {
	const many = 1 << 20
	return many - int64(server.Config{HTTP: http.NotFoundHandler()}.ConnsFor(many))
}

// connsFor is how many connections roost serve takes with that many descriptors,
// and descriptorsFor the other way round.
func connsFor(descriptors int64) int64 { return max(descriptors/2, descriptors-serveReserve()) }

func descriptorsFor(conns int64) int64 { return min(2*conns, conns+serveReserve()) }

// lookAtDescriptors: each connection is one.
func (m *machine) lookAtDescriptors(wanted int64) []finding {
	need := descriptorsFor(wanted)
	var found []finding
	ceiling := int64(unlimited)
	if v := m.sysctl("fs.nr_open"); v != nil {
		ceiling = v[0]
		found = append(found, bounded("fs.nr_open", v[0], connsFor(v[0]), wanted,
			"the highest that a limit on descriptors can be", fmt.Sprintf("sysctl -w fs.nr_open=%d", roundUp(need))))
	} else {
		found = append(found, unknown("fs.nr_open", "the highest that a limit on descriptors can be"))
	}
	if _, hard, known := m.descriptors(); known {
		hard = min(hard, ceiling)
		found = append(found, bounded("RLIMIT_NOFILE", hard, connsFor(hard), wanted, "descriptors of one process",
			fmt.Sprintf("ulimit -n %d  # systemd: LimitNOFILE=%[1]d, docker run: --ulimit nofile=%[1]d:%[1]d", need)))
	} else {
		found = append(found, unknown("RLIMIT_NOFILE", "descriptors of one process"))
	}
	if v := m.sysctl("fs.file-max"); v != nil {
		used, _ := m.number("/proc/sys/fs/file-nr")
		found = append(found, bounded("fs.file-max", v[0], connsFor(v[0]-used), wanted,
			"descriptors of all processes together", fmt.Sprintf("sysctl -w fs.file-max=%d", roundUp(2*need+used))))
	} else {
		found = append(found, unknown("fs.file-max", "descriptors of all processes together"))
	}
	return found
}

// lookAtQueues: where connections wait until they are accepted.
func (m *machine) lookAtQueues() []finding {
	var found []finding
	for _, q := range []struct{ name, why string }{
		{"net.core.somaxconn", "connections that wait to be accepted, when everybody comes back at once"},
		{"net.ipv4.tcp_max_syn_backlog", "connections that are being opened"},
	} {
		v := m.sysctl(q.name)
		switch {
		case v == nil:
			found = append(found, unknown(q.name, q.why))
		case v[0] < stormBacklog:
			found = append(found, finding{Name: q.name, Value: written(v[0]), State: stateLow, Why: q.why,
				Fix: fmt.Sprintf("sysctl -w %s=%d  # before roost starts", q.name, stormBacklog)})
		default:
			found = append(found, finding{Name: q.name, Value: written(v[0]), State: stateOK, Why: q.why})
		}
	}
	return found
}

// lookAtBuffers: what sockets may hold while data waits. Idle ones hold nothing.
func (m *machine) lookAtBuffers(wanted int64) []finding {
	var found []finding
	const all = "net.ipv4.tcp_mem"
	if v := m.sysctl(all); len(v) == 3 {
		f := finding{Name: all, Value: fields(v), State: stateOK, Why: fmt.Sprintf("pages for data of all sockets: one for each of %d, when everybody is sent something", wanted)}
		if v[1] < wanted {
			f.State = stateLow
			f.Fix = fmt.Sprintf("sysctl -w %s='%d %d %d'", all, roundUp(wanted), roundUp(wanted*5/4), roundUp(wanted*3/2))
		}
		found = append(found, f)
	} else {
		found = append(found, unknown(all, "pages for data of all sockets"))
	}
	for _, b := range []struct {
		name, why string
		usual     int64 // the kernel's default for the most that one may have
		fix       string
	}{
		{"net.ipv4.tcp_rmem", "bytes that one client may have waiting for roost", 6 << 20, "4096 131072 6291456"},
		{"net.ipv4.tcp_wmem", "bytes that may wait in the kernel for one slow client, before roost's own limit begins to count", 4 << 20, "4096 16384 4194304"},
	} {
		v := m.sysctl(b.name)
		switch {
		case len(v) != 3:
			found = append(found, unknown(b.name, b.why))
		case v[0] > pageBytes || v[2] > 4*b.usual:
			found = append(found, finding{Name: b.name, Value: fields(v), State: stateNote, Why: b.why,
				Fix: fmt.Sprintf("sysctl -w %s='%s'  # what is set now lets few clients take much memory", b.name, b.fix)})
		default:
			found = append(found, finding{Name: b.name, Value: fields(v), State: stateOK, Why: b.why})
		}
	}
	return found
}

// lookAtNetwork: what a firewall keeps, and what a proxy here would need.
func (m *machine) lookAtNetwork(wanted int64) []finding {
	var found []finding
	const tracked, ports = "net.netfilter.nf_conntrack_max", "net.ipv4.ip_local_port_range"
	if v := m.sysctl(tracked); v != nil {
		used, _ := m.number("/proc/sys/net/netfilter/nf_conntrack_count")
		found = append(found, bounded(tracked, v[0], v[0]-used, wanted,
			"connections that the firewall follows; others it drops", fmt.Sprintf("sysctl -w %s=%d", tracked, roundUp(2*wanted+used))))
	} else {
		found = append(found, finding{Name: tracked, Value: "-", State: stateOK, Why: "no firewall follows connections here"})
	}
	if v := m.sysctl(ports); len(v) == 2 {
		f := finding{Name: ports, Value: fields(v), State: stateOK, Why: "ports for connections from here to one address: of a proxy or a load generator"}
		if v[1]-v[0] < 60_000 {
			f.State = stateNote
			f.Fix = fmt.Sprintf("sysctl -w %s='1024 65535'  # if a proxy runs here", ports)
		}
		found = append(found, f)
	}
	return found
}

// room is how many bytes connections can have.
func (m *machine) room() (bytes int64, known bool) {
	available, known := m.memory()
	limit, file := m.cgroupMemory()
	switch {
	case !known:
		return limit, file != ""
	case file != "":
		return min(available, limit), true
	}
	return available, true
}

// lookAtMemory: the machine's, the group's, and Go's share of that.
func (m *machine) lookAtMemory(wanted int64) []finding {
	const perConn = kernelConnBytes + roostConnBytes
	need := wanted * perConn / memoryShare * 100
	fit := func(bytes int64) int64 { return bytes / 100 * memoryShare / perConn }
	var found []finding
	why := fmt.Sprintf("%d bytes a quiet connection, of which %d are the kernel's", perConn, kernelConnBytes)
	if available, known := m.memory(); known {
		f := bounded("memory", available, fit(available), wanted, why, fmt.Sprintf("give the machine %s for roost", mebibytes(need)))
		f.Value = mebibytes(available)
		found = append(found, f)
	} else {
		found = append(found, unknown("memory", why))
	}
	limit, file := m.cgroupMemory()
	goLimit, wrong := m.goMemoryLimit()
	f := finding{Name: "GOMEMLIMIT", Value: "-", State: stateOK, Why: "where Go's collector works harder instead of growing"}
	if goLimit > 0 {
		f.Value = mebibytes(goLimit)
	}
	if file == "" {
		found = append(found, finding{Name: "cgroup memory", Value: "no limit", State: stateOK, Why: "what the container or unit may have, sockets included"})
	} else {
		g := bounded("cgroup memory", limit, fit(limit), wanted, "what the container or unit may have, sockets included ("+file+")",
			fmt.Sprintf("give the container or unit %s  # systemd: MemoryMax=%dM", mebibytes(need), need>>20))
		g.Value = mebibytes(limit)
		found = append(found, g)
		// Of what there is, sockets take theirs first.
		sockets := min(wanted, fit(limit)) * kernelConnBytes
		advised := (limit - sockets) / 100 * memoryShare
		if goLimit == 0 || wrong || goLimit > advised {
			f.State, f.Fix = stateNote, fmt.Sprintf("GOMEMLIMIT=%s  # in roost's environment: %d %% of what the sockets leave", mebibytes(advised), memoryShare)
		}
	}
	return append(found, f, m.lookAtBudget(wanted))
}

// lookAtBudget: quiet clients take little. This is what they could take.
func (m *machine) lookAtBudget(wanted int64) finding {
	f := finding{Name: "roost's limits", Value: "-", State: stateUnknown, Why: fmt.Sprintf("what %d clients can make roost serve use when all are at all of its default limits", wanted)}
	c := m.ceilings()
	limits := server.Limits{Conns: int(min(wanted, 1<<28)), Held: c.held(0), HTTPConns: c.httpConns()}
	cfg, err := server.Config{Limits: limits, HTTP: http.NotFoundHandler()}.Resolve()
	if err != nil {
		return f
	}
	l := load{server: cfg, apps: []push.App{{}}, subscriptions: c.subscriptions(0), vouched: c.vouched(0), events: c.events()}
	b := l.budget()
	f.Value, f.State = mebibytes(b.most()), stateOK
	if !c.holds(b) {
		f.State = stateNote
		f.Fix = "roost serve --overcommit  # when clients will not all be at their limits at once"
		if room := c.room(l); room >= connectionsMin {
			f.Fix = fmt.Sprintf("roost serve --max-connections %d  # or --overcommit, when they will not all be at their limits at once", room)
		}
	}
	return f
}

// lookAtKernel says which it is. Go 1.26 needs Linux 3.2.
func (m *machine) lookAtKernel() finding {
	release := m.text("/proc/sys/kernel/osrelease")
	var major, minor int
	fmt.Sscanf(release, "%d.%d", &major, &minor)
	f := finding{Name: "kernel", Value: cmp.Or(release, "-"), State: stateOK, Why: "Linux 3.2 or later"}
	switch {
	case release == "":
		f.State = stateUnknown
	case major < 3 || major == 3 && minor < 2:
		f.State, f.Fix = stateLow, "a later kernel"
	}
	return f
}

func fields(numbers []int64) string {
	return strings.Trim(fmt.Sprint(numbers), "[]")
}

// mebibytes writes a size in the unit that GOMEMLIMIT understands.
func mebibytes(n int64) string {
	return fmt.Sprintf("%dMiB", n>>20)
}

// roundUp returns n rounded up to two digits, which look chosen and not computed.
func roundUp(n int64) int64 {
	step := int64(1)
	for n/step >= 100 {
		step *= 10
	}
	return (n + step - 1) / step * step
}
