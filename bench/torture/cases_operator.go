package torture

import (
	"context"
	"fmt"
	"net/http"
)

// operatorCases: what is for operators is not where clients are. Row R14.
func operatorCases(*Options) (all []Case) {
	for path, control := range map[string]bool{
		"/metrics": true, "/debug/pprof/": true, "/debug/pprof/heap": true, "/debug/pprof/cmdline": true, "/debug/vars": false, "/console/state": false,
		"/ready": false, "/live": false, "/admin": false, "/.env": false, "/config": false, "/app/../metrics": false, "/apps/../metrics": false, "//metrics": false,
	} {
		c := runDrill("R14/clients"+path, "-", "GET "+path+" where clients connect", "response 404; operators find it at their own address", func(b *Bench) error {
			phone, err := b.phone()
			if err != nil {
				return err
			}
			phone.write((call{method: "GET", path: path}).request(b.o).bytes())
			if _, err := b.refusal(phone, http.StatusNotFound, http.StatusBadRequest); err != nil {
				return err
			}
			if !control {
				return nil
			}
			if _, err := newAdmin(b.o.Admin).get(context.Background(), path); err != nil {
				return fmt.Errorf("the control: %w", err)
			}
			return nil
		})
		c.admin = control
		all = append(all, c)
	}
	return all
}
