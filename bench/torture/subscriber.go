package torture

import "fmt"

// joins subscribes c to a channel, with an authorisation where it takes one.
// data is channel_data, of presence channels.
func (b *Bench) joins(c *Client, channel string, data ...string) error {
	c.write(wireOf(text(b.push().joining(c, channel, data...))).Bytes)
	return b.expect(c, wantSaid(succeeded(channel)))
}

// channel is a name that no other play uses.
func (b *Bench) channel(name string) string {
	return fmt.Sprintf("%s-%d", name, b.o.tally.controls.Add(1))
}

// push is the dialect of the cases that are about it.
func (b *Bench) push() *pusher { return b.o.dialect.(*pusher) }

// joining is what a client says that may subscribe.
func (p *pusher) joining(c *Client, channel string, data ...string) string {
	if !authorised(channel) {
		return subscribing(channel)
	}
	if len(data) == 0 {
		return fmt.Sprintf(`{"event":"pusher:subscribe","data":{"channel":%s,"auth":%s}}`, quoteJSON(channel), quoteJSON(p.authorises(c.socket, channel, "")))
	}
	return fmt.Sprintf(`{"event":"pusher:subscribe","data":{"channel":%s,"auth":%s,"channel_data":%s}}`,
		quoteJSON(channel), quoteJSON(p.authorises(c.socket, channel, data[0])), quoteJSON(data[0]))
}
