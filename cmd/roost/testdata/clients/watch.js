// What a page with pusher-js does, told to a test: the same file runs in
// Chromium (as a script) and in Node (imported by subscriber.js).
globalThis.watch = function watch({ Pusher }, { key, options, bearer }, emit) {
  const pusher = new Pusher(key, bearer ? { ...options, ...showing(bearer) } : options);
  pusher.connection.bind('state_change', ({ current }) => {
    emit({ kind: 'state', name: current, socket: pusher.connection.socket_id ?? '' });
  });
  pusher.connection.bind('error', (err) => {
    emit({ kind: 'error', code: err?.data?.code ?? err?.error?.data?.code ?? 0, name: err?.type ?? '' });
  });
  // What comes over the wire, before the library makes events of it.
  pusher.connection.bind('message', ({ event, channel, user_id: user }) => {
    emit({ kind: event === 'pusher:pong' ? 'pong' : 'message', channel, name: event, user });
  });
  // A signed-in user has a channel of their own, and a watchlist.
  pusher.user.bind_global((name, data) => emit({ kind: 'user', name, data }));
  for (const name of ['online', 'offline']) {
    pusher.user.watchlist.bind(name, (data) => emit({ kind: 'watchlist', name, data }));
  }
  return {
    subscribe(channel) {
      const subscribed = pusher.subscribe(channel);
      subscribed.bind_global((name, data) => {
        emit({ kind: 'event', channel, name, data, members: subscribed.members?.count ?? 0 });
      });
    },
    unsubscribe(channel) {
      pusher.unsubscribe(channel);
    },
    trigger(channel, name, data) {
      pusher.channel(channel).trigger(name, data);
    },
    signin() {
      pusher.signin();
    },
    disconnect() {
      pusher.disconnect();
    },
  };
};

// showing is the options that have pusher-js show a token, as docs/operations.md
// tells users to.
function showing({ token, user }) {
  return {
    channelAuthorization: {
      customHandler: (params, callback) =>
        callback(null, { auth: `jwt:${token}`, channel_data: JSON.stringify({ user_id: user }) }),
    },
    userAuthentication: {
      customHandler: (params, callback) =>
        callback(null, { auth: `jwt:${token}`, user_data: JSON.stringify({ id: user }) }),
    },
  };
}
