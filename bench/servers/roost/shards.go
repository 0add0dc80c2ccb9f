package main

import "github.com/roost-ws/roost/server"

// shards are the subscribers of each loop. A shard is touched only on its
// loop's goroutine, so that it needs no lock.
type shards struct {
	srv    *server.Server
	byLoop [][]*server.Conn
}

func newShards(srv *server.Server) *shards {
	return &shards{srv: srv, byLoop: make([][]*server.Conn, srv.Loops())}
}

// join and leave post rather than touch: with workers, callbacks are not on
// the loop's goroutine.
func (s *shards) join(c *server.Conn) {
	sub := new(subscriber)
	c.SetValue(sub)
	loop := c.Loop()
	_ = s.srv.Post(loop, func() { // fails only when the server is closed
		sub.at = len(s.byLoop[loop])
		s.byLoop[loop] = append(s.byLoop[loop], c)
	})
}

func (s *shards) leave(c *server.Conn) {
	sub, loop := c.Value().(*subscriber), c.Loop()
	_ = s.srv.Post(loop, func() {
		conns := s.byLoop[loop]
		last := len(conns) - 1
		conns[sub.at] = conns[last]
		conns[sub.at].Value().(*subscriber).at = sub.at
		conns[last] = nil
		s.byLoop[loop] = conns[:last]
	})
}

// publish sends one encoding to every subscriber, loop by loop.
func (s *shards) publish(p *server.Prepared) {
	for loop := range s.byLoop {
		_ = s.srv.Post(loop, func() {
			for _, c := range s.byLoop[loop] {
				_ = c.SendPrepared(p) // a subscriber that is too slow is the server's to deal with
			}
		})
	}
}
