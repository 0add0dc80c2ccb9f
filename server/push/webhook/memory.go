package webhook

// Memory is the most that notices and deliveries take to a number of endpoints.
func (c Config) Memory(endpoints int) int64 {
	c, err := c.withDefaults()
	if err != nil || endpoints == 0 {
		return 0
	}
	l := c.Limits
	attempt := l.NoticeBytes + l.BatchBytes + answerHeader + answerBody
	return int64(l.InboxBytes) + int64(l.HeldBytes) + int64(l.PendingBytes) + int64(l.DeadBytes) +
		int64(endpoints)*int64(l.InFlight)*int64(attempt)
}
