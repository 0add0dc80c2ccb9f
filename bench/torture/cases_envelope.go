package torture

import "slices"

// pushCases are those of a server of the Pusher Channels protocol.
func pushCases(*Options, *pusher) []Case {
	return slices.Concat(
		envelopeCases(),
	)
}

// envelopeCases: messages that are no events of the protocol. Rows A7, R6.
func envelopeCases() (all []Case) {
	for name, message := range map[string]string{
		"null": `null`,
	} {
		all = append(all, keeps("A7/message-"+name, "-", "a message that is "+message, []part{text(message)}, wantSaid(mistaken)))
	}
	return all
}
