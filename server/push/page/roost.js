// roost.js: with it, pages that use pusher-js or laravel-echo miss no event
// while the network is away.
//
// Load it behind pusher-js, or call roost(Pusher) before the first new Pusher.
// When the network is back, channels of which the server keeps history get what
// they missed, each event once and in order. Then one of these is emitted on the
// channel:
//
//   roost:recovered {count}  everything that was missed has been delivered
//   roost:gap {since}        some of it is gone: load the state of things anew
//
// It looks at the sockets that pusher-js opens, and changes nothing but the
// frames that subscribe. Servers that know nothing of it pass over that.
(function (scope) {
  'use strict';

  // What is remembered belongs to one Pusher object: another one on the same page
  // may follow the same channel and be elsewhere in it.
  const memories = new WeakMap();

  function roost(Pusher) {
    const runtime = Pusher.Runtime;
    const create = runtime.createWebSocket;
    if (!runtime.roost) {
      runtime.roost = true;
      runtime.createWebSocket = (url) => attach(Pusher, create.call(runtime, url));
    }
    return Pusher;
  }

  // attach listens to a socket and returns it.
  function attach(Pusher, socket) {
    let id; // the socket_id
    let pusher; // whose socket it is; known when that subscribes
    let memory;
    let deliver; // what pusher-js does with a message

    function recall() {
      pusher = Pusher.instances.find((one) => one.connection.socket_id === id);
      memory = memories.get(pusher);
      if (!memory) {
        memory = { places: new Map(), sockets: [], taken: false };
        memories.set(pusher, memory);
        pusher.connection.bind('message', () => (memory.taken = true));
      }
      // Events that were not for one of these are not for this one, either.
      memory.sockets = memory.sockets.concat(id).slice(-8);
    }

    // outgoing returns what is sent in place of a frame.
    function outgoing(text) {
      const found = /^\{"event":"pusher:(un)?subscribe"/.exec(text);
      if (!found) return text;
      if (!memory) recall();
      const frame = JSON.parse(text);
      const name = frame.data.channel;
      const place = memory.places.get(name) || {};
      if (found[1]) {
        memory.places.delete(name); // who comes back later starts anew
        return text;
      }
      if (place.socket === socket) return text; // subscribed already
      memory.places.set(name, place);
      place.asked = place.id;
      place.news = place.head = place.left = null;
      frame.data.resume = place.id ? { id: place.id, socket_ids: memory.sockets } : true;
      return JSON.stringify(frame);
    }

    // incoming reads a frame that pusher-js has taken, and returns the channel it
    // is for, if it says where that is.
    function incoming(text) {
      if (!/"id":"[^"]+"\}$|^\{"event":"pusher_internal:subscription_succeeded"/.test(text)) return;
      const { event, channel, id: at, resume } = JSON.parse(text);
      const place = memory.places.get(channel);
      if (!place) return;
      if (event === 'pusher_internal:subscription_succeeded') {
        subscribed(place, resume);
      } else if (at) {
        place.id = at;
        if (place.left) place.left--;
      }
      // While missed events are still on their way, the channel is where the last
      // of them was: the network may go away again in between.
      if (place.head && !place.left) {
        place.id = place.head;
        place.head = null;
      }
      return channel;
    }

    function subscribed(place, resume) {
      if (place.socket === socket) return;
      place.socket = socket;
      if (place.asked) {
        place.news = resume && resume.recovered ? ['recovered', { count: resume.count }] : ['gap', { since: place.asked }];
      }
      if (!resume || !resume.recovered) place.id = null;
      if (resume) {
        place.head = resume.id;
        place.left = resume.count;
      }
    }

    // report tells the page how it went, once it has all that was missed.
    function report(name) {
      const place = memory.places.get(name);
      if (!place || !place.news || place.left) return;
      const [news, data] = place.news;
      place.news = null;
      const channel = pusher && pusher.channel(name);
      if (channel) channel.emit('roost:' + news, data);
    }

    const send = socket.send;
    socket.send = (text) => send.call(socket, outgoing(text));
    Object.defineProperty(socket, 'onmessage', { set: (handler) => (deliver = handler) });
    socket.addEventListener('message', (message) => {
      if (!deliver) return; // pusher-js has given the socket up
      if (!memory) {
        if (/^\{"event":"pusher:connection_established"/.test(message.data)) {
          id = JSON.parse(JSON.parse(message.data).data).socket_id;
        }
        return deliver.call(socket, message);
      }
      // What comes after it has abandoned the connection is not delivered, so it
      // has yet to come. An event whose handler throws has been.
      memory.taken = false;
      let threw = true;
      try {
        deliver.call(socket, message);
        threw = false;
      } finally {
        const channel = (memory.taken || threw) && incoming(message.data);
        if (channel) report(channel);
      }
    });
    return socket;
  }

  if (typeof module === 'object' && module.exports) module.exports = roost;
  scope.roost = roost;
  if (scope.Pusher) roost(scope.Pusher);
})(globalThis);
