package main

import "github.com/roost-ws/roost/server"

// deflateFlags say how messages are compressed, in serve and echo alike.
type deflateFlags struct {
	Deflate        bool     `help:"Compress messages for clients that offer it (permessage-deflate)."`
	DeflateLevel   int      `default:"1" placeholder:"N" help:"Effort of compression, 1 to 9 (${default})."`
	DeflateContext bool     `help:"Let messages refer to those before, for up to 4 KB of memory for each connection."`
	DeflateMinSize byteSize `default:"256B" placeholder:"BYTES" help:"Size from which on messages are compressed (${default})."`
}

func (d *deflateFlags) config() server.Deflate {
	return server.Deflate{Enabled: d.Deflate, Level: d.DeflateLevel, MinSize: int(d.DeflateMinSize), ContextTakeover: d.DeflateContext}
}
