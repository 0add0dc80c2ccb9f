package api_test

import (
	"log"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/api"
	"github.com/roost-ws/roost/server/push/page"
)

// A push backend on one port: WebSocket, the HTTP API and the page.
func Example() {
	app := push.App{ID: "1", Key: "key", Secret: "secret"}
	hub, err := push.New(push.Config{Apps: []push.App{app}})
	if err != nil {
		log.Fatal(err)
	}
	handler := api.New(hub)
	handler.Fallback, err = page.New(hub, app.ID, page.Config{Demo: true})
	if err != nil {
		log.Fatal(err)
	}
	srv, err := hub.NewServer(server.Config{HTTP: handler})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(srv.ListenAndServe("tcp", ":6001"))
}
