// Node's ws against the echo server at argv[2]: each step is what a user of
// that package does, and throws when the echo is not what was sent.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import WebSocket from 'ws';

const url = process.argv[2];

async function connect(path = '/', options = {}) {
  const ws = new WebSocket(url + path, options);
  await once(ws, 'open');
  return ws;
}

async function echo(ws, data, options) {
  ws.send(data, options);
  const [message, isBinary] = await once(ws, 'message');
  return { message, isBinary };
}

async function close(ws, code, reason) {
  ws.close(code, reason);
  const [gotCode, gotReason] = await once(ws, 'close');
  return { code: gotCode, reason: gotReason.toString() };
}

const steps = {
  async 'text and binary on any path'() {
    for (const path of ['/', '/a/b?c=d', '/%C3%A9']) {
      const ws = await connect(path, { origin: 'https://elsewhere.example' });
      const text = await echo(ws, 'grüße 👋');
      assert.equal(text.isBinary, false);
      assert.equal(text.message.toString(), 'grüße 👋');
      const binary = await echo(ws, Buffer.from([0, 255, 1, 254]));
      assert.equal(binary.isBinary, true);
      assert.deepEqual(binary.message, Buffer.from([0, 255, 1, 254]));
      assert.deepEqual(await close(ws, 1000), { code: 1000, reason: '' });
    }
  },

  async 'every length of the length field'() {
    const ws = await connect();
    for (const size of [0, 1, 125, 126, 127, 65535, 65536, 1 << 20]) {
      const sent = Buffer.alloc(size, size % 251);
      const { message } = await echo(ws, sent, { binary: true });
      assert.deepEqual(message, sent, `size ${size}`);
    }
    ws.terminate();
  },

  async 'fragments with a ping between'() {
    const ws = await connect();
    ws.send('he', { fin: false });
    ws.ping('between');
    ws.send('llo', { fin: true });
    const [[pong], [message]] = await Promise.all([once(ws, 'pong'), once(ws, 'message')]);
    assert.equal(pong.toString(), 'between');
    assert.equal(message.toString(), 'hello');
    ws.terminate();
  },

  async 'a thousand messages in order'() {
    const ws = await connect();
    const got = [];
    const done = new Promise((resolve) => {
      ws.on('message', (message) => {
        got.push(Number(message));
        if (got.length === 1000) resolve();
      });
    });
    for (let i = 0; i < 1000; i++) ws.send(String(i));
    await done;
    assert.deepEqual(got, Array.from({ length: 1000 }, (_, i) => i));
    ws.terminate();
  },

  async 'close codes and reasons come back'() {
    for (const [code, reason] of [[1000, ''], [1001, 'away'], [3000, 'mine'], [4999, 'é'.repeat(60)]]) {
      const ws = await connect();
      const closed = await close(ws, code, reason);
      assert.equal(closed.code, code);
    }
  },

  async 'an offer of permessage-deflate does not hurt'() {
    const ws = await connect('/', { perMessageDeflate: true });
    const { message } = await echo(ws, 'x'.repeat(5000));
    assert.equal(message.length, 5000);
    ws.terminate();
  },
};

for (const [name, step] of Object.entries(steps)) {
  await step();
  console.log(name);
}
