package main

import (
	"cmp"
	"log/slog"
	"reflect"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/webhook"
)

// reloader replaces the apps of a running server by those that the file, the
// environment and the files of secrets name now.
type reloader struct {
	serve  *serveCmd
	log    *slog.Logger
	hub    *push.Hub
	site   *site
	sender *webhook.Sender // nil when there is no file
	server *server.Server
	now    *tenants // what is served

	webhooks webhook.Config // in force, but for its apps
	most     load           // what clients can make the server use
	conns    int            // for how many the server was started; 0 before the first reload
}

// reload reads everything first. Unless all of it is right, and the machine can
// hold it, nothing changes.
func (r *reloader) reload() {
	next, err := r.serve.tenants()
	r.conns = cmp.Or(r.conns, r.most.server.Limits.Conns)
	most := r.most.of(r.conns)
	if err == nil {
		most.apps, most.webhooks = r.site.with(next.apps), r.webhooks.Memory(next.endpoints())
		if !r.serve.Overcommit {
			most, err = thisMachine().ceilings().grow(r.most, most, r.serve.MaxConnections.n, int(r.server.Stats().Conns))
		}
	}
	if err == nil && r.sender != nil {
		err = r.sender.SetApps(next.webhooks.Apps)
	}
	if err == nil {
		err = r.hub.SetApps(most.apps) // which next was checked for
	}
	if err != nil {
		r.log.Error("the apps were not reloaded, those from before are served on", "err", err)
		return
	}
	r.site.follow(next.apps)
	r.most = most
	r.server.LimitConns(most.server.Limits.Conns)
	r.log.Info("reloaded", "can_hold", canHold(most.server.Limits.Conns), "memory_at_most", mebibytes(most.budget().most()), "apps", len(next.apps), "apps_from", next.from, "webhooks", next.endpoints())
	if !r.now.sameBut(next) {
		r.log.Warn("only apps are reloaded: restart for the other changes to the file", "file", r.serve.Config)
	}
	for _, app := range r.hub.Apps() {
		if most := r.server.Config().Limits.Message; app.Limits.DataBytes > most {
			r.log.Warn("restart to let clients of the app send events of this size", "app", app.ID, "data", app.Limits.DataBytes, "message", most)
		}
	}
	next.file = r.now.file // what is in force besides the apps
	r.now = next
}

// sameBut reports whether two states of a file differ in their apps at most.
func (t *tenants) sameBut(other *tenants) bool {
	if t.file == nil || other.file == nil {
		return t.file == other.file
	}
	a, b := *t.file, *other.file
	a.Apps, b.Apps = nil, nil
	return reflect.DeepEqual(a, b)
}
