package main

import (
	"cmp"
	"net/http"

	"github.com/roost-ws/roost/bench/torture"
)

// watchedApp is the app of these tests, for those who watch a program that serves it.
var watchedApp = &torture.Push{App: torture.App{ID: appID, Key: appKey, Secret: appSecret}}

// watched has the invariants U1 to U6 of docs/security.md looked at, with the eyes of
// roost-torture, from here on until all that the test opens later is closed again.
// excuses are those that cannot hold of what it does.
func (p *program) watched(o torture.Options, excuses torture.Excuses) {
	p.t.Helper()
	p.t.Cleanup(p.watch(o, excuses))
}

// watch is the same until unharmed is called.
func (p *program) watch(o torture.Options, excuses torture.Excuses) (unharmed func()) {
	t := p.t
	t.Helper()
	o.URL, o.Pid, o.Log = cmp.Or(o.URL, "ws://"+p.addr+"/"), p.cmd.Process.Pid, p.kept
	o.Timeout, o.Delay = o.Standstill+patience, patience // nothing is asserted about speed
	if p.admin != "" {
		o.Admin = "http://" + p.admin
	}
	http.DefaultClient.CloseIdleConnections()
	w, err := torture.Watch(o, excuses)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if t.Failed() {
			return // its clients may be anywhere
		}
		http.DefaultClient.CloseIdleConnections() // those of get are none of the program's doing
		for _, broken := range w.Done() {
			t.Errorf("%v", broken)
		}
	}
}
