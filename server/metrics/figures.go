package metrics

import (
	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/webhook"
)

var serverMetrics = []metric[server.Stats]{
	gauge("streams", "Connections that are streams of server-sent events.", func(s *server.Stats) int64 { return s.Streams }),
	counter("opened_total", "Connections that were opened: WebSocket and streams.", func(s *server.Stats) uint64 { return s.Opened }),
	counter("closed_total", "Connections that ended, those that never got to open included.", func(s *server.Stats) uint64 { return s.Closed }),
	counter("accepted_total", "Connections that were accepted.", func(s *server.Stats) uint64 { return s.Accepted }),
	counter("received_bytes_total", "Bytes received on all connections.", func(s *server.Stats) uint64 { return s.BytesReceived }),
	counter("sent_bytes_total", "Bytes sent on all connections.", func(s *server.Stats) uint64 { return s.BytesSent }),
	counter("messages_received_total", "Whole messages received.", func(s *server.Stats) uint64 { return s.Messages }),
	counter("messages_inflated_total", "Messages received compressed.", func(s *server.Stats) uint64 { return s.Inflated }),
	counter("messages_deflated_total", "Messages compressed for sending, a broadcast once for all who get it.", func(s *server.Stats) uint64 { return s.Deflated }),
	counter("deflate_input_bytes_total", "Bytes of these before they were compressed.", func(s *server.Stats) uint64 { return s.DeflatedFrom }),
	counter("deflate_output_bytes_total", "Bytes of these afterwards.", func(s *server.Stats) uint64 { return s.DeflatedTo }),
	counter("pings_sent_total", "Ping frames sent to silent clients.", func(s *server.Stats) uint64 { return s.Pings }),
	gauge("held_bytes", "Bytes that clients make the server hold: for those who read slowly, and of messages that have begun.", func(s *server.Stats) int64 { return s.Held }),
	counter("shed_total", "Connections closed because all together held too much.", func(s *server.Stats) uint64 { return s.Shed }),
	gauge("outbound_bytes", "Bytes that wait for clients who read slowly.", func(s *server.Stats) int64 { return s.Outbound }),
	counter("tls_handshakes_total", "TLS handshakes done.", func(s *server.Stats) uint64 { return s.TLSHandshakes }),
	counter("tls_failures_total", "TLS handshakes and streams that broke.", func(s *server.Stats) uint64 { return s.TLSFailures }),
	counter("tls_offloaded_total", "Connections of which the kernel does the TLS.", func(s *server.Stats) uint64 { return s.TLSOffloaded }),
	counter("tls_timeouts_total", "TLS handshakes and records that took too long.", func(s *server.Stats) uint64 { return s.TLSTimeouts }),
	counter("message_timeouts_total", "Messages that took too long from first byte to last.", func(s *server.Stats) uint64 { return s.MessageTimeouts }),
	counter("idle_timeouts_total", "Connections closed for silence.", func(s *server.Stats) uint64 { return s.IdleTimeouts }),
	counter("pong_timeouts_total", "Connections closed because a Ping was not answered.", func(s *server.Stats) uint64 { return s.PongTimeouts }),
	counter("unacknowledged_total", "Connections that TCP gave up because nobody acknowledged what they were sent.", func(s *server.Stats) uint64 { return s.Unacknowledged }),
	counter("close_timeouts_total", "Peers that did not end the closing handshake.", func(s *server.Stats) uint64 { return s.CloseTimeouts }),
	counter("slow_consumers_total", "Connections closed because their client read too slowly.", func(s *server.Stats) uint64 { return s.SlowConsumers }),
	counter("dropped_newest_total", "Messages dropped that found the outbound queue full.", func(s *server.Stats) uint64 { return s.DroppedNewest }),
	counter("dropped_oldest_total", "Messages dropped to make room in the outbound queue.", func(s *server.Stats) uint64 { return s.DroppedOldest }),
	counter("panics_total", "Callbacks that panicked, each at the price of its connection.", func(s *server.Stats) uint64 { return s.Panics }),
	counter("accept_shortages_total", "Pauses in accepting for want of descriptors or memory.", func(s *server.Stats) uint64 { return s.AcceptShortages }),
	counter("loop_moves_total", "Loops moved away from a callback that blocked.", func(s *server.Stats) uint64 { return s.LoopMoves }),
	counter("slow_modes_total", "Times a loop began to leave callbacks to workers.", func(s *server.Stats) uint64 { return s.SlowModes }),
}

// drain is in two figures, so that a dashboard needs no arithmetic.
var drainMetrics = []metric[server.Stats]{
	gauge("draining", "1 while a drain goes on.", func(s *server.Stats) int { return number(s.Draining) }),
	gauge("drain_connections", "Connections that there were when the drain began; 0 before.", func(s *server.Stats) int64 { return s.DrainFrom }),
	ratio("drain_progress_ratio", "The part of these that has ended.", func(s *server.Stats) float64 {
		if s.DrainFrom == 0 {
			return float64(number(s.Draining)) // there was nobody to wait for
		}
		return max(0, 1-float64(s.Conns)/float64(s.DrainFrom))
	}),
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// plainMetrics carry the names that dashboards know, for a server without apps.
var plainMetrics = []metric[server.Stats]{
	gauge("connected", "Connections that are open.", func(s *server.Stats) int64 { return s.Open }),
	counter("new_connections_total", "Connections that were opened.", func(s *server.Stats) uint64 { return s.Opened }),
	counter("new_disconnections_total", "Connections that ended.", func(s *server.Stats) uint64 { return s.Closed }),
	counter("socket_received_bytes", "Bytes received.", func(s *server.Stats) uint64 { return s.BytesReceived }),
	counter("socket_transmitted_bytes", "Bytes sent.", func(s *server.Stats) uint64 { return s.BytesSent }),
	counter("ws_messages_received_total", "Whole messages received.", func(s *server.Stats) uint64 { return s.Messages }),
}

var pushMetrics = []metric[push.Stats]{
	gauge("connections_of_apps", "Connections that belong to an app.", func(s *push.Stats) int64 { return s.Connections }),
	gauge("channels", "Channels that have subscribers, of all apps.", func(s *push.Stats) int { return s.Channels }),
	gauge("subscriptions", "Subscriptions of all connections.", func(s *push.Stats) int64 { return s.Subscriptions }),
	gauge("vouched_bytes", "What customers' backends say of members of presence channels and of users.", func(s *push.Stats) int64 { return s.VouchedBytes }),
	counter("members_refused_total", "Subscriptions to presence channels refused because backends had said too much of all members and users.", func(s *push.Stats) uint64 { return s.MembersRefused }),
	counter("users_refused_total", "Users who were not signed in, for the same reason.", func(s *push.Stats) uint64 { return s.UsersRefused }),
	counter("subscriptions_refused_total", "Subscriptions refused because all clients together had too many.", func(s *push.Stats) uint64 { return s.SubscriptionsRefused }),
	counter("published_total", "Events published in all apps.", func(s *push.Stats) uint64 { return s.Published }),
	counter("delivered_total", "Events delivered: each counts once for each subscriber.", func(s *push.Stats) uint64 { return s.Delivered }),
	gauge("history_channels", "Channels that keep history.", func(s *push.Stats) int { return s.History.Channels }),
	gauge("history_bytes", "Memory that history takes, roughly.", func(s *push.Stats) int { return s.History.Bytes }),
	counter("history_recovered_total", "Subscriptions that caught up with all they had missed.", func(s *push.Stats) uint64 { return s.History.Recovered }),
	counter("history_gaps_total", "Subscriptions that could not, and were told so.", func(s *push.Stats) uint64 { return s.History.Gaps }),
	counter("history_evictions_total", "Channels whose history gave way to others'.", func(s *push.Stats) uint64 { return s.History.Evicted }),
	gauge("deliveries_pending", "Events that wait for a loop to deliver them.", func(s *push.Stats) int64 { return s.Pending }),
	gauge("deliveries_pending_bytes", "Memory that these take, roughly.", func(s *push.Stats) int64 { return s.PendingBytes }),
}

var webhookMetrics = []metric[webhook.Stats]{
	counter("webhook_attempts_total", "Requests to endpoints.", func(s *webhook.Stats) uint64 { return s.Attempts }),
	counter("webhook_failures_total", "Requests that were not answered with success.", func(s *webhook.Stats) uint64 { return s.Failed }),
	counter("webhook_refused_total", "Failures because of an address that may not be reached.", func(s *webhook.Stats) uint64 { return s.Refused }),
	counter("webhook_events_delivered_total", "Events that an endpoint has taken.", func(s *webhook.Stats) uint64 { return s.Delivered }),
	counter("webhook_events_dropped_total", "Events that found no room, or were too large.", func(s *webhook.Stats) uint64 { return s.Dropped }),
	counter("webhook_events_overflowed_total", "Events dropped because too many waited.", func(s *webhook.Stats) uint64 { return s.Overflowed }),
	counter("webhook_events_suppressed_total", "Events of people who were back in time.", func(s *webhook.Stats) uint64 { return s.Suppressed }),
	counter("webhook_events_hurried_total", "Events not held back, for want of room.", func(s *webhook.Stats) uint64 { return s.HeldTooMany }),
	counter("webhook_dead_letters_total", "Events given up.", func(s *webhook.Stats) uint64 { return s.DeadLettered }),
	counter("webhook_dead_letters_discarded_total", "Dead letters that gave way to others.", func(s *webhook.Stats) uint64 { return s.DeadDiscarded }),
	gauge("webhook_dead_letters", "Dead letters that are kept.", func(s *webhook.Stats) int { return s.DeadLetters }),
	gauge("webhook_events_held", "Events that are held back.", func(s *webhook.Stats) int { return s.Held }),
	gauge("webhook_deliveries_pending", "Deliveries that wait or are under way.", func(s *webhook.Stats) int { return s.Pending }),
	gauge("webhook_pending_bytes", "The size of these.", func(s *webhook.Stats) int { return s.PendingBytes }),
	gauge("webhook_requests_in_flight", "Requests under way.", func(s *webhook.Stats) int { return s.InFlight }),
	gauge("webhook_endpoints_failing", "Endpoints that failed several times in a row.", func(s *webhook.Stats) int { return s.Failing }),
	counter("webhook_store_failures_total", "Writes to the store that failed.", func(s *webhook.Stats) uint64 { return s.StoreFailures }),
	gauge("webhook_unsaved", "Changes that the store does not have yet.", func(s *webhook.Stats) int { return s.Unsaved }),
	gauge("webhook_store_damaged", "1 when the store was damaged at the start and set aside.", func(s *webhook.Stats) int { return number(s.Damaged) }),
}
