package push_test

import (
	"errors"
	"log"

	"github.com/roost-ws/roost/server/push"
)

// An event published by the program itself, to everybody but the connection
// that caused it.
func ExampleHub_Publish() {
	hub, err := push.New(push.Config{Apps: []push.App{{ID: "1", Key: "key", Secret: "secret"}}})
	if err != nil {
		log.Fatal(err)
	}
	cause, _ := push.ParseSocketID("4294967298.1801429543026688")
	err = hub.Publish("1", push.Event{
		Channels: []string{"news"},
		Name:     push.Quote("headline"),
		Data:     push.Quote(`{"title":"It works"}`),
		Exclude:  cause,
	})
	var refused *push.EventError
	if errors.As(err, &refused) && refused.Fault == push.Overloaded {
		log.Print("try again in a second")
	}
}
