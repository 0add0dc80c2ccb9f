package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// generous is a machine with 16 GB that is set up for a million connections.
var generous = map[string]string{
	"proc/self/limits":                             "Limit Soft Hard Units\nMax open files            1024                 1100000              files\n",
	"proc/self/cgroup":                             "0::/\n",
	"proc/meminfo":                                 "MemTotal: 20000000 kB\nMemAvailable:   16777216 kB\n",
	"proc/sys/fs/nr_open":                          "1200000\n",
	"proc/sys/fs/file-max":                         "9223372036854775807\n",
	"proc/sys/fs/file-nr":                          "1000\t0\t9223372036854775807\n",
	"proc/sys/net/core/somaxconn":                  "65535\n",
	"proc/sys/net/ipv4/tcp_max_syn_backlog":        "65535\n",
	"proc/sys/net/ipv4/tcp_mem":                    "1000000\t1300000\t1500000\n",
	"proc/sys/net/ipv4/tcp_rmem":                   "4096\t131072\t6291456\n",
	"proc/sys/net/ipv4/tcp_wmem":                   "4096\t16384\t4194304\n",
	"proc/sys/net/ipv4/ip_local_port_range":        "1024\t65535\n",
	"proc/sys/kernel/osrelease":                    "6.1.0-18-amd64\n",
	"proc/sys/net/netfilter/nf_conntrack_max":      "3000000\n",
	"proc/sys/net/netfilter/nf_conntrack_count":    "10\n",
	"proc/42/limits":                               "Max open files 600 600 files\n",
	"proc/42/environ":                              "HOME=/\x00GOMEMLIMIT=1GiB\x00",
	"proc/42/cgroup":                               "0::/unit/roost\n",
	"sys/fs/cgroup/unit/memory.max":                "2147483648\n",
	"sys/fs/cgroup/unit/roost/memory.max":          "max\n",
	"sys/fs/cgroup/memory/memory.limit_in_bytes":   "9223372036854771712\n",
	"sys/fs/cgroup/memory/x/memory.limit_in_bytes": "1073741824\n",
}

// folder makes the machine as a folder, with some files changed; "" removes one.
func folder(t *testing.T, changes map[string]string) string {
	t.Helper()
	root := t.TempDir()
	files := maps.Clone(generous)
	maps.Copy(files, changes)
	for name, text := range files {
		if text == "" {
			continue
		}
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// What doctor predicts and advises, one limit at a time.
func TestDoctor(t *testing.T) {
	for _, row := range []struct {
		name, args, env string

		changes map[string]string
		fit     int64
		by      string
		low     string   // names of what is low, in order
		says    []string // lines of the text
	}{
		{name: "all is well", fit: 1_098_812, by: "RLIMIT_NOFILE"},
		{name: "few descriptors", changes: map[string]string{"proc/self/limits": "Max open files 1024 4096 files\n"},
			fit: 2908, by: "RLIMIT_NOFILE", low: "RLIMIT_NOFILE", says: []string{"\n  ulimit -n 1001188  # systemd: LimitNOFILE=1001188"}},
		{name: "low ceiling", changes: map[string]string{"proc/sys/fs/nr_open": "900000\n"},
			fit: 898_812, by: "fs.nr_open", low: "fs.nr_open RLIMIT_NOFILE", says: []string{"\n  sysctl -w fs.nr_open=1100000\n"}},
		{name: "no limit at all", changes: map[string]string{"proc/self/limits": "Max open files unlimited unlimited files\n"},
			fit: 1_198_812, by: "fs.nr_open"},
		{name: "all processes", changes: map[string]string{"proc/sys/fs/file-max": "500000\n"},
			fit: 497_812, by: "fs.file-max", low: "fs.file-max", says: []string{"\n  sysctl -w fs.file-max=2100000\n"}},
		{name: "firewall", changes: map[string]string{"proc/sys/net/netfilter/nf_conntrack_max": "262144\n"},
			fit: 262_134, by: "net.netfilter.nf_conntrack_max", low: "net.netfilter.nf_conntrack_max", says: []string{"\n  sysctl -w net.netfilter.nf_conntrack_max=2100000\n"}},
		{name: "no firewall", changes: map[string]string{"proc/sys/net/netfilter/nf_conntrack_max": ""}, fit: 1_098_812, by: "RLIMIT_NOFILE"},
		{name: "short queues", changes: map[string]string{"proc/sys/net/core/somaxconn": "4096\n", "proc/sys/net/ipv4/tcp_max_syn_backlog": "512\n"},
			fit: 1_098_812, by: "RLIMIT_NOFILE", low: "net.core.somaxconn net.ipv4.tcp_max_syn_backlog",
			says: []string{"\n  sysctl -w net.core.somaxconn=65535  #", "\n  sysctl -w net.ipv4.tcp_max_syn_backlog=65535  #"}},
		{name: "little for buffers", changes: map[string]string{"proc/sys/net/ipv4/tcp_mem": "100 200 300\n"},
			fit: 1_098_812, by: "RLIMIT_NOFILE", low: "net.ipv4.tcp_mem", says: []string{"\n  sysctl -w net.ipv4.tcp_mem='1000000 1300000 1500000'\n"}},
		{name: "large buffers", changes: map[string]string{"proc/sys/net/ipv4/tcp_wmem": "65536 65536 4194304\n"},
			fit: 1_098_812, by: "RLIMIT_NOFILE", says: []string{"To think about:\n  sysctl -w net.ipv4.tcp_wmem='4096 16384 4194304'  #"}},
		{name: "few ports", changes: map[string]string{"proc/sys/net/ipv4/ip_local_port_range": "32768 60999\n"},
			fit: 1_098_812, by: "RLIMIT_NOFILE", says: []string{"To think about:\n  sysctl -w net.ipv4.ip_local_port_range='1024 65535'  #"}},
		{name: "little memory", changes: map[string]string{"proc/meminfo": "MemAvailable: 1048576 kB\n"}, args: "--connections 200000",
			fit: 178_956, by: "memory", low: "memory", says: []string{"\n  give the machine 1144MiB for roost\n"}},
		{name: "memory decides what is wanted", changes: map[string]string{"proc/meminfo": "MemAvailable: 1048576 kB\n"}, fit: 178_956, by: "memory"},
		{name: "group of version 1", changes: map[string]string{"proc/self/cgroup": "4:memory:/x\n0::/\n"}, args: "--connections 100000",
			fit: 178_956, by: "cgroup memory", says: []string{"\n  GOMEMLIMIT=529MiB  #"}},
		{name: "with its variable set", changes: map[string]string{"proc/self/cgroup": "4:memory:/x\n0::/\n"}, args: "--connections 100000", env: "GOMEMLIMIT=300MiB",
			fit: 178_956, by: "cgroup memory", says: []string{"roost's limits", "\n  roost serve --overcommit  #"}},
		{name: "room for the worst", args: "--connections 100000", env: "GOMEMLIMIT=4GiB", fit: 1_098_812, by: "RLIMIT_NOFILE"},
		{name: "a server's limits", args: "--pid 42 --connections 300", fit: 300, by: "RLIMIT_NOFILE"},
		{name: "a server's group", args: "--pid 42 --connections 400000", changes: map[string]string{"proc/42/limits": "Max open files 900000 900000 files\n"},
			fit: 357_913, by: "cgroup memory", low: "cgroup memory", says: []string{"MemoryMax=2288M\n", "\n  GOMEMLIMIT=600MiB  #"}},
		{name: "old kernel", changes: map[string]string{"proc/sys/kernel/osrelease": "2.6.32\n"}, fit: 1_098_812, by: "RLIMIT_NOFILE", low: "kernel"},
	} {
		t.Run(row.name, func(t *testing.T) {
			args := append([]string{"doctor", "--root", folder(t, row.changes)}, strings.Fields(row.args)...)
			var found diagnosis
			got := command(t, []string{row.env}, append(args, "--json")...)
			if err := json.Unmarshal([]byte(got.stdout), &found); err != nil {
				t.Fatalf("%v: %+v", err, got)
			}
			var low []string
			for _, f := range found.Findings {
				if f.State == stateLow {
					low = append(low, f.Name)
				}
			}
			if found.Connections != row.fit || found.BoundBy != row.by || strings.Join(low, " ") != row.low {
				t.Errorf("%d fit by %s, and low is %q; want %d by %s, and %q", found.Connections, found.BoundBy, low, row.fit, row.by, row.low)
			}
			wantCode := exitOK
			if strings.Contains(row.args, "--connections") && row.fit < found.Wanted {
				wantCode = exitFailure
			}
			text := command(t, []string{row.env}, args...)
			if text.code != wantCode || got.code != wantCode {
				t.Errorf("exit code %d, with --json %d, want %d", text.code, got.code, wantCode)
			}
			for _, want := range append(row.says, fmt.Sprintf("About %d connections fit here", row.fit)) {
				if !strings.Contains(text.stdout, want) {
					t.Errorf("doctor does not say %q:\n%s", want, text.stdout)
				}
			}
			if len(row.says) == 0 && strings.Contains(text.stdout, "\n  ") && row.low == "" {
				t.Errorf("doctor has advice where none is due:\n%s", text.stdout)
			}
		})
	}
}

// What a machine does not tell is unknown, and no reason to give up.
func TestDoctorKnowsLittle(t *testing.T) {
	nothing := map[string]string{}
	for name := range generous {
		nothing[name] = ""
	}
	nothing["proc/self/limits"] = generous["proc/self/limits"]
	got := command(t, nil, "doctor", "--root", folder(t, nothing))
	if got.code != exitOK || strings.Count(got.stdout, stateUnknown+" ") < 5 || !strings.Contains(got.stdout, "About 1098812 connections") {
		t.Errorf("doctor says %+v", got)
	}
	got = command(t, nil, "doctor", "--root", t.TempDir())
	if got.code != exitFailure || !strings.Contains(got.stderr, "Linux only") {
		t.Errorf("without /proc: %+v", got)
	}
}

// On the machine itself doctor and serve agree about descriptors.
func TestDoctorAgreesWithServe(t *testing.T) {
	p := startEcho(t)
	var found diagnosis
	if err := json.Unmarshal([]byte(command(t, nil, "doctor", "--json").stdout), &found); err != nil {
		t.Fatal(err)
	}
	for _, f := range found.Findings {
		if says := p.log.all()[0]["descriptors"]; f.Name == "RLIMIT_NOFILE" && f.Value != says {
			t.Errorf("doctor says %s descriptors, serve %v", f.Value, says)
		}
	}
}

// What doctor predicts is what serve then takes, however few descriptors there are.
func TestDoctorKnowsServe(t *testing.T) {
	t.Parallel()
	for _, descriptors := range []int{600, 2000, 5000} {
		limited := func(args string) *exec.Cmd {
			return exec.Command("sh", "-c", fmt.Sprintf("ulimit -n %d && exec %s %s", descriptors, binary, args))
		}
		predicted, err := limited("doctor --json").Output()
		var found diagnosis
		if err != nil || json.Unmarshal(predicted, &found) != nil {
			t.Fatalf("%v: %s", err, predicted)
		}
		bound := int64(0)
		for _, f := range found.Findings {
			if f.Name == "RLIMIT_NOFILE" {
				bound = f.Bound
			}
		}
		p := follow(t, limited("serve --overcommit --admin off --drain 100ms --listen 127.0.0.1:0"), nil).serving()
		if holds := connectionsHeld(t, p); int64(holds) != bound {
			t.Errorf("of %d descriptors serve takes %d, and doctor says %d", descriptors, holds, bound)
		}
		if need := descriptorsFor(connsFor(int64(descriptors))); need > int64(descriptors) || need < int64(descriptors)-1 {
			t.Errorf("for as many as go into %d descriptors doctor wants %d", descriptors, need)
		}
	}
}
