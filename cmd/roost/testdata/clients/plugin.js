// The plugin under pusher-js on a socket that is none: each step is something
// that a real network does too seldom, and throws when the plugin gets it wrong.
// argv[2] is the plugin's file.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import Pusher from 'pusher-js';

// sockets are all that were opened and not looked at yet.
const sockets = [];
let numbers = 0;

class Socket {
  constructor() {
    this.sent = [];
    this.listeners = [];
    this.id = `7.${++numbers}`;
    sockets.push(this);
  }

  addEventListener(type, listener) {
    assert.equal(type, 'message');
    this.listeners.push(listener);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {} // takes as long as a network that is away

  receive(frame) {
    for (const listener of this.listeners) listener({ data: JSON.stringify(frame) });
  }

  // drop is the end of the connection; pusher-js comes back at once.
  drop() {
    this.onclose({ code: 4200, reason: '', wasClean: false });
  }

  // subscription is the data of the one that was asked for, once it is.
  async subscription(channel) {
    const asks = (frame) => frame.event === 'pusher:subscribe' && frame.data.channel === channel;
    await until(() => this.sent.some(asks));
    return this.sent.find(asks).data;
  }

  // sends is the frame with the given number, from 1; pusher-js sends a moment later.
  async sends(number) {
    await until(() => this.sent.length >= number);
    return this.sent[number - 1];
  }

  succeed(channel, resume) {
    this.receive({ event: 'pusher_internal:subscription_succeeded', channel, data: '{}', ...(resume && { resume }) });
  }

  event(channel, id, event = 'tick') {
    this.receive({ event, channel, data: JSON.stringify(id), ...(id && { id }) });
  }
}

async function until(happened) {
  for (const end = Date.now() + 20_000; !happened(); ) {
    if (Date.now() > end) throw new Error(`not within 20 s: ${happened}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

Pusher.Runtime.createWebSocket = () => new Socket();
const roost = createRequire(import.meta.url)(process.argv[2]);
assert.equal(roost(roost(Pusher)), Pusher); // twice does no harm

// opened is the next socket, with its connection established.
async function opened() {
  await until(() => sockets.length > 0);
  const socket = sockets.shift();
  socket.onopen();
  const data = JSON.stringify({ socket_id: socket.id, activity_timeout: 120 });
  socket.receive({ event: 'pusher:connection_established', data });
  return socket;
}

// begun is the next socket, with the channel subscribed: asked is the position that
// the plugin hands in, or true, answer what the server says of history, if it keeps any.
async function begun(channel, asked, answer) {
  const socket = await opened();
  const { resume } = await socket.subscription(channel);
  assert.equal(resume.id ?? resume, asked);
  socket.succeed(channel, answer);
  return socket;
}

// again is begun once the socket before has ended.
async function again(socket, ...subscription) {
  socket.drop();
  return begun(...subscription);
}

// page is a Pusher object, and what it was told on a channel.
function page(channel) {
  const pusher = new Pusher('key', { wsHost: 'x.example', cluster: '', enabledTransports: ['ws'], forceTLS: false });
  const told = [];
  pusher.subscribe(channel).bind_global((name, data) => told.push([name.replace('pusher:subscription_', ''), data]));
  return { pusher, told };
}

const steps = {
  async 'the first subscription asks for ids, the next for what was missed'() {
    const { pusher, told } = page('a');
    let s = await opened();
    const first = s.id;
    assert.deepEqual(await s.subscription('a'), { auth: '', channel: 'a', resume: true });
    s.succeed('a', { id: 'e:1', recovered: false, count: 0 });
    s.event('a', 'e:2');
    s.drop();
    s = await opened();
    assert.deepEqual((await s.subscription('a')).resume, { id: 'e:2', socket_ids: [first, s.id] });
    s.succeed('a', { id: 'e:4', recovered: true, count: 2 });
    s.event('a', 'e:3');
    s.event('a', 'e:4');
    s.event('a', 'e:5');
    assert.deepEqual(told, [['succeeded', {}], ['tick', 'e:2'],
      ['succeeded', {}], ['tick', 'e:3'], ['tick', 'e:4'], ['roost:recovered', { count: 2 }], ['tick', 'e:5']]);
    pusher.disconnect();
  },

  async 'a channel on which nothing came is where it was'() {
    const { pusher } = page('a');
    let s = await begun('a', true, { id: 'e:7', recovered: false, count: 0 });
    s = await again(s, 'a', 'e:7', { id: 'e:9', recovered: true, count: 0 }); // two of its own, say
    s = await again(s, 'a', 'e:9', { id: 'e:9', recovered: true, count: 0 });
    s.receive({ event: 'pusher_internal:position', channel: 'a', id: 'e:10' });
    await again(s, 'a', 'e:10');
    pusher.disconnect();
  },

  async 'cut again amid what was missed, the rest is asked for'() {
    const { pusher, told } = page('a');
    let s = await begun('a', true, { id: 'e:1', recovered: false, count: 0 });
    s = await again(s, 'a', 'e:1', { id: 'e:4', recovered: true, count: 3 });
    s.event('a', 'e:2');
    s = await again(s, 'a', 'e:2', { id: 'e:4', recovered: true, count: 2 });
    s.event('a', 'e:3');
    s.event('a', 'e:4');
    assert.deepEqual(told.filter(([name]) => name.startsWith('roost:')), [['roost:recovered', { count: 2 }]]);
    // The same amid a rewind, which begins with no position at all.
    const other = page('r');
    s = await begun('r', true, { id: 'e:9', recovered: false, count: 2 });
    s = await again(s, 'r', true, { id: 'e:9', recovered: false, count: 2 });
    s.event('r', 'e:8');
    await again(s, 'r', 'e:8', { id: 'e:9', recovered: true, count: 1 });
    assert.ok(!other.told.some(([name]) => name.startsWith('roost:')));
    pusher.disconnect();
    other.pusher.disconnect();
  },

  async 'a gap is told, and the way goes on from there'() {
    const { pusher, told } = page('a');
    let s = await begun('a', true, { id: 'e:1', recovered: false, count: 0 });
    s = await again(s, 'a', 'e:1', { id: 'f:5', recovered: false, count: 0 });
    s = await again(s, 'a', 'f:5', { id: 'f:8', recovered: true, count: 3 });
    s.event('a', 'f:6');
    s = await again(s, 'a', 'f:6'); // the channel keeps no history any more
    s.event('a');
    await again(s, 'a', true);
    assert.deepEqual(told.filter(([name]) => name !== 'tick' && name !== 'succeeded'),
      [['roost:gap', { since: 'e:1' }], ['roost:gap', { since: 'f:6' }]]);
    pusher.disconnect();
  },

  async 'what pusher-js does not deliver any more has yet to come'() {
    const { pusher, told } = page('a');
    let s = await begun('a', true, { id: 'e:1', recovered: false, count: 0 });
    pusher.disconnect();
    s.event('a', 'e:2');
    s.drop();
    s.event('a', 'e:3');
    pusher.connect();
    s = await opened();
    assert.equal((await s.subscription('a')).resume.id, 'e:1');
    assert.deepEqual(told, [['succeeded', {}]]);
    pusher.disconnect();
  },

  async 'an event whose handler throws has been delivered'() {
    const { pusher } = page('a');
    const s = await begun('a', true, { id: 'e:1', recovered: false, count: 0 });
    pusher.channel('a').bind('bad', () => {
      throw new Error('on purpose');
    });
    assert.throws(() => s.event('a', 'e:2', 'bad'), /on purpose/);
    await again(s, 'a', 'e:2');
    pusher.disconnect();
  },

  async 'who unsubscribes starts anew, who asks twice is left alone'() {
    const { pusher, told } = page('a');
    let s = await begun('a', true, { id: 'e:1', recovered: false, count: 0 });
    s = await again(s, 'a', 'e:1', { id: 'e:1', recovered: true, count: 0 });
    pusher.send_event('pusher:subscribe', { channel: 'a' });
    assert.deepEqual((await s.sends(2)).data, { channel: 'a' });
    s.succeed('a'); // as roost answers a second time
    s = await again(s, 'a', 'e:1', { id: 'e:1', recovered: true, count: 0 });
    assert.ok(!told.some(([name]) => name === 'roost:gap'));
    pusher.unsubscribe('a');
    pusher.subscribe('a');
    assert.equal((await s.sends(3)).data.resume, true);
    pusher.send_event('client-pusher:subscribe', { a: 1 }, 'a');
    assert.deepEqual(await s.sends(4), { event: 'client-pusher:subscribe', data: { a: 1 }, channel: 'a' });
    pusher.disconnect();
  },

  async 'two Pusher objects on a page do not disturb each other'() {
    const one = page('a');
    const s = await begun('a', true, { id: 'e:1', recovered: false, count: 0 });
    const two = page('a');
    const t = await begun('a', true, { id: 'e:1', recovered: false, count: 0 });
    t.event('a', 'e:2');
    await again(s, 'a', 'e:1');
    one.pusher.disconnect();
    two.pusher.disconnect();
  },

  async 'the last eight connections are named'() {
    const { pusher } = page('a');
    const ids = [];
    for (let n = 0; n < 10; n++) {
      const s = await opened();
      ids.push(s.id);
      const { resume } = await s.subscription('a');
      if (n > 0) assert.deepEqual(resume.socket_ids, ids.slice(-8));
      s.succeed('a', { id: 'e:1', recovered: n > 0, count: 0 });
      s.drop();
    }
    pusher.disconnect();
  },
};

for (const [name, step] of Object.entries(steps)) {
  await step();
  console.log(JSON.stringify(name));
}
process.exit(0);
