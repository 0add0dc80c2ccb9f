// What a Laravel application's page does with Echo, told to a test: the same
// file runs in Chromium (as a script) and in Node (imported by subscriber.js).
globalThis.laravel = function laravel({ Echo, Pusher }, { options }, emit) {
  const echo = new Echo({ ...options, Pusher });
  echo.connector.pusher.connection.bind('state_change', ({ current }) => {
    emit({ kind: 'state', name: current, socket: echo.socketId() ?? '' });
  });
  const joined = new Map();
  return {
    // how is the method of Echo that a page calls: channel, private, join, encryptedPrivate.
    listen(how, channel, event) {
      const say = (name) => (data) => emit({ kind: 'event', channel, name, data: data ?? null });
      const on = echo[how](channel).listen(event, say(event)).error(say('error'));
      if (how === 'private' || how === 'join') {
        on.listenForWhisper('typing', say('whisper')).notification(say('notification'));
      }
      if (how === 'join') {
        on.here(say('here')).joining(say('joining')).leaving(say('leaving'));
      } else {
        on.subscribed(say('subscribed'));
      }
      joined.set(channel, on);
    },
    whisper(channel, data) {
      joined.get(channel).whisper('typing', data);
    },
    leave(channel) {
      echo.leave(channel);
    },
  };
};
