package metrics

import (
	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push"
)

// Names that other servers of this protocol have too carry the suffixes that
// existing dashboards know.
var serverMetrics = []metric[server.Stats]{
	gauge("connected", "Connections that are open: WebSocket and streams.", func(s *server.Stats) int64 { return s.Open }),
	gauge("streams", "Connections that are streams of server-sent events.", func(s *server.Stats) int64 { return s.Streams }),
	counter("new_connections_total", "Connections that were opened: WebSocket and streams.", func(s *server.Stats) uint64 { return s.Opened }),
	counter("new_disconnections_total", "Connections that ended, those that never got to open included.", func(s *server.Stats) uint64 { return s.Closed }),
	counter("accepted_total", "Connections that were accepted.", func(s *server.Stats) uint64 { return s.Accepted }),
	counter("socket_received_bytes", "Bytes received on all connections.", func(s *server.Stats) uint64 { return s.BytesReceived }),
	counter("socket_transmitted_bytes", "Bytes sent on all connections.", func(s *server.Stats) uint64 { return s.BytesSent }),
	counter("ws_messages_received_total", "Whole messages received.", func(s *server.Stats) uint64 { return s.Messages }),
	counter("messages_inflated_total", "Messages received compressed.", func(s *server.Stats) uint64 { return s.Inflated }),
	counter("messages_deflated_total", "Messages compressed for sending, a broadcast once for all who get it.", func(s *server.Stats) uint64 { return s.Deflated }),
	counter("deflate_input_bytes_total", "Bytes of these before they were compressed.", func(s *server.Stats) uint64 { return s.DeflatedFrom }),
	counter("deflate_output_bytes_total", "Bytes of these afterwards.", func(s *server.Stats) uint64 { return s.DeflatedTo }),
	counter("pings_sent_total", "Ping frames sent to silent clients.", func(s *server.Stats) uint64 { return s.Pings }),
	counter("refused_over_connections_total", "Connections turned away at the limit of connections.", func(s *server.Stats) uint64 { return s.OverConns }),
	counter("refused_over_handshakes_total", "Connections turned away at the limit of opening handshakes.", func(s *server.Stats) uint64 { return s.OverHandshakes }),
	counter("refused_over_address_total", "Connections turned away at the limit of one address.", func(s *server.Stats) uint64 { return s.OverAddress }),
	counter("refused_over_http_total", "HTTP connections turned away at their limit.", func(s *server.Stats) uint64 { return s.OverHTTP }),
	counter("refused_total", "Connections closed without a word, because too many were being turned away.", func(s *server.Stats) uint64 { return s.Refused }),
	gauge("outbound_bytes", "Bytes that wait for clients who read slowly.", func(s *server.Stats) int64 { return s.Outbound }),
	gauge("drain_connections", "Connections that there were when the drain began; 0 before.", func(s *server.Stats) int64 { return s.DrainFrom }),
	counter("tls_handshakes_total", "TLS handshakes done.", func(s *server.Stats) uint64 { return s.TLSHandshakes }),
	counter("tls_failures_total", "TLS handshakes and streams that broke.", func(s *server.Stats) uint64 { return s.TLSFailures }),
	counter("tls_handshake_timeouts_total", "TLS handshakes that took too long.", func(s *server.Stats) uint64 { return s.TLSTimeouts }),
	counter("handshake_timeouts_total", "Opening handshakes that took too long.", func(s *server.Stats) uint64 { return s.HandshakeTimeouts }),
	counter("message_timeouts_total", "Messages that took too long from first byte to last.", func(s *server.Stats) uint64 { return s.MessageTimeouts }),
	counter("idle_timeouts_total", "Connections closed for silence.", func(s *server.Stats) uint64 { return s.IdleTimeouts }),
	counter("pong_timeouts_total", "Connections closed because a Ping was not answered.", func(s *server.Stats) uint64 { return s.PongTimeouts }),
	counter("close_timeouts_total", "Peers that did not end the closing handshake.", func(s *server.Stats) uint64 { return s.CloseTimeouts }),
	counter("slow_consumers_total", "Connections closed because their client read too slowly.", func(s *server.Stats) uint64 { return s.SlowConsumers }),
	counter("dropped_newest_total", "Messages dropped that found the outbound queue full.", func(s *server.Stats) uint64 { return s.DroppedNewest }),
	counter("dropped_oldest_total", "Messages dropped to make room in the outbound queue.", func(s *server.Stats) uint64 { return s.DroppedOldest }),
	counter("panics_total", "Callbacks that panicked, each at the price of its connection.", func(s *server.Stats) uint64 { return s.Panics }),
	counter("accept_shortages_total", "Pauses in accepting for want of descriptors or memory.", func(s *server.Stats) uint64 { return s.AcceptShortages }),
	counter("loop_moves_total", "Loops moved away from a callback that blocked.", func(s *server.Stats) uint64 { return s.LoopMoves }),
	counter("slow_modes_total", "Times a loop began to leave callbacks to workers.", func(s *server.Stats) uint64 { return s.SlowModes }),
}

var pushMetrics = []metric[push.Stats]{
	gauge("push_connected", "Connections of all apps.", func(s *push.Stats) int64 { return s.Connections }),
	gauge("active_channels", "Channels that have subscribers.", func(s *push.Stats) int { return s.Channels }),
	gauge("subscriptions", "Subscriptions of all connections.", func(s *push.Stats) int64 { return s.Subscriptions }),
	counter("events_published_total", "Events published.", func(s *push.Stats) uint64 { return s.Published }),
	counter("ws_messages_sent_total", "Events delivered: each counts once for each subscriber.", func(s *push.Stats) uint64 { return s.Delivered }),
	gauge("history_channels", "Channels that keep history.", func(s *push.Stats) int { return s.History.Channels }),
	gauge("history_bytes", "Memory that history takes, roughly.", func(s *push.Stats) int { return s.History.Bytes }),
	counter("history_recovered_total", "Subscriptions that caught up with all they had missed.", func(s *push.Stats) uint64 { return s.History.Recovered }),
	counter("history_gaps_total", "Subscriptions that could not, and were told so.", func(s *push.Stats) uint64 { return s.History.Gaps }),
	counter("history_evictions_total", "Channels whose history gave way to others'.", func(s *push.Stats) uint64 { return s.History.Evicted }),
	gauge("deliveries_pending", "Events that wait for a loop to deliver them.", func(s *push.Stats) int64 { return s.Pending }),
}
