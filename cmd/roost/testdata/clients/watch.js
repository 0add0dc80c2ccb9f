// What a page with pusher-js does, told to a test: the same file runs in
// Chromium (as a script) and in Node (imported by subscriber.js).
globalThis.watch = function watch(Pusher, key, options, emit) {
  const pusher = new Pusher(key, options);
  pusher.connection.bind('state_change', ({ current }) => {
    emit({ kind: 'state', name: current, socket: pusher.connection.socket_id ?? '' });
  });
  pusher.connection.bind('error', (err) => {
    emit({ kind: 'error', code: err?.data?.code ?? err?.error?.data?.code ?? 0, name: err?.type ?? '' });
  });
  pusher.connection.bind('message', ({ event }) => {
    if (event === 'pusher:pong') emit({ kind: 'pong' });
  });
  return {
    subscribe(channel) {
      pusher.subscribe(channel).bind_global((name, data) => emit({ kind: 'event', channel, name, data }));
    },
    unsubscribe(channel) {
      pusher.unsubscribe(channel);
    },
    disconnect() {
      pusher.disconnect();
    },
  };
};
