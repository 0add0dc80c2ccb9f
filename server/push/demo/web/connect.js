'use strict';
// Connects stock pusher-js to the server that this page came from, whatever
// stands in front of it. params go to /demo/auth with every subscription.
function connect(params = {}) {
  const root = new URL('..', location.href), secure = root.protocol === 'https:';
  const pusher = new Pusher('roost-demo', {
    wsHost: root.hostname, wsPort: root.port || 80, wssPort: root.port || 443, wsPath: root.pathname.slice(0, -1),
    forceTLS: secure, enabledTransports: ['ws', 'wss'], cluster: '',
    channelAuthorization: { endpoint: new URL('demo/auth', root).href, params },
  });
  const state = document.getElementById('state');
  pusher.connection.bind('state_change', ({ current }) => { state.textContent = state.className = current; });
  return pusher;
}

function element(tag, text = '', className = '') {
  return Object.assign(document.createElement(tag), { textContent: text, className });
}

// A colour of one's own, from an id that everybody has of everybody; as light
// as any other, so that it is seen on white and on black.
function colour(id) {
  let hash = 0;
  for (const c of id) hash = (hash * 31 + c.charCodeAt(0)) >>> 0;
  return `oklch(0.62 0.16 ${hash % 360})`;
}

const birds = ['Robin', 'Wren', 'Finch', 'Heron', 'Swift', 'Lark', 'Kestrel', 'Plover', 'Siskin', 'Dunnock'];
const bird = () => birds[Math.floor(Math.random() * birds.length)];
