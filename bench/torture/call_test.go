package torture

import (
	"strings"
	"testing"
)

// The published example of a signed call: another signer than the server's comes
// to the same.
func TestCallSignature(t *testing.T) {
	app := App{ID: "3", Key: "278d425bdf160c739803", Secret: "7ad3773142a6692b25b8"}
	const body = `{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}`
	if got := eventBody("foo", `{"some":"data"}`, "project-3"); got != body {
		t.Fatalf("the event is %s, want %s", got, body)
	}
	c := app.post("events", body).with("auth_timestamp", "1353088179").sign(app)
	const want = "/apps/3/events?auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0&body_md5=ec365a775a4cd0599faeb73354201b6f" +
		"&auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
	if got := c.target(); got != want {
		t.Errorf("the target is %s, want %s", got, want)
	}
	o := Options{URL: "ws://server.test/"}
	if err := o.prepare(); err != nil {
		t.Fatal(err)
	}
	got := string(c.field("Connection: close").request(&o).bytes())
	for _, line := range []string{"POST " + want + " HTTP/1.1\r\n", "\r\nHost: server.test\r\n", "\r\nConnection: close\r\n", "\r\nContent-Length: 68\r\n", "\r\n\r\n" + body} {
		if !strings.Contains(got, line) {
			t.Errorf("%q is not in %q", line, got)
		}
	}
}

// A call that is bent is another one, and the one that it was made of is not.
func TestCallsAreValues(t *testing.T) {
	app := App{ID: "1", Key: "key", Secret: "secret"}
	good := app.publish("e", "x", "c")
	before := good.target()
	for name, bent := range map[string]call{
		"with": good.with("auth_key", "other"), "twice": good.twice("auth_key", "key"), "without": good.without("auth_version"),
		"to": good.to("/apps/2/events"), "sign": good.without("auth_signature").sign(App{Secret: "other"}),
	} {
		if bent.target() == before {
			t.Errorf("%s changed nothing", name)
		}
	}
	if first, second := good.field("A: 1"), good.field("B: 2"); len(good.fields) != 0 || first.fields[0] != "A: 1" || second.fields[0] != "B: 2" {
		t.Errorf("fields are shared: %v, %v, %v", good.fields, first.fields, second.fields)
	}
	if good.target() != before {
		t.Errorf("%s became %s", before, good.target())
	}
}
