package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// suitePort is where the suite below listens with a proxy of its own; it cannot
// be told otherwise.
const suitePort = "8321"

// The remote test-suite that the npm package pusher ships, as its authors run it
// against the hosted service, here against roost: what it asserts of answers is what
// that package's users rely on.
func TestPusherRemoteSuite(t *testing.T) {
	mocha := "node_modules/mocha/bin/mocha"
	path := require(t, "node")
	if _, err := os.Stat(clientsDir + "/" + mocha); err != nil {
		missing(t, "the npm packages of cmd/roost/"+clientsDir)
	}
	p := startServe(t)
	for end := time.Now().Add(patience); ; time.Sleep(time.Second) {
		cmd := exec.Command(path, mocha, "--reporter", "tap", "--timeout", "20000", "node_modules/pusher/tests/remote/**/*.js")
		cmd.Dir = clientsDir
		cmd.Env = append(os.Environ(), "PUSHER_URL=http://"+appKey+":"+appSecret+"@"+p.addr+"/apps/"+appID)
		out, err := cmd.CombinedOutput()
		if strings.Contains(string(out), "EADDRINUSE") && time.Now().Before(end) {
			continue // the same suite runs beside this one
		}
		if err != nil || !strings.Contains(string(out), "# pass 7\n") || !strings.Contains(string(out), "# fail 0\n") {
			t.Fatalf("the suite at port %s: %v\n%s", suitePort, err, out)
		}
		return
	}
}
