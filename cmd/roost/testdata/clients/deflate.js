// Node's ws, with zlib, against an echo server at argv[2] that compresses. What
// the tests of RFC 7692 vary is varied: the parameters of the offer, the sizes of
// messages, and whether they are cut into frames. A line for each set of parameters.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import zlib from 'node:zlib';
import WebSocket from 'ws';

const url = process.argv[2];
const context = process.argv[3].endsWith('/context'); // the server keeps some, and asks for small windows
const sizes = [16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072];

// document is size bytes that compress, and of which some repeat from far away.
function document(size, seed) {
  const parts = [];
  let length = 0;
  for (let i = 0; length < size; i++) {
    const part = `{"id":${(i * 7919 + seed) % 10007},"name":"user ${(i * 31) % 97}","text":"grüße 👋 ${i % 13}"},`;
    parts.push(part);
    length += Buffer.byteLength(part);
  }
  // Cut at the end of a character.
  return Buffer.from(parts.join('')).subarray(0, size).toString().replace(/\uFFFD+$/, '');
}

const offers = [{}];
for (let bits = 9; bits <= 15; bits++) {
  offers.push({ serverMaxWindowBits: bits }, { clientMaxWindowBits: bits });
}
// false, for ws, is to refuse what roost answers: that contexts are not taken over.
for (const serverNoContextTakeover of [undefined, true]) {
  for (const clientNoContextTakeover of [undefined, true]) {
    offers.push({ serverNoContextTakeover, clientNoContextTakeover, serverMaxWindowBits: 10, clientMaxWindowBits: 11 });
  }
}

async function echo(ws, text, pieces) {
  const bytes = Buffer.from(text); // cut anywhere, also in a character
  const step = Math.ceil(bytes.length / pieces);
  for (let at = 0; at < bytes.length; at += step) {
    ws.send(bytes.subarray(at, at + step), { binary: false, compress: true, fin: at + step >= bytes.length });
  }
  const [message, isBinary] = await once(ws, 'message');
  assert.equal(isBinary, false);
  assert.equal(message.toString(), text);
}

for (const offer of offers) {
  // A client reads its small window in small pieces, so that zlib sees a distance beyond it.
  const ws = new WebSocket(url, {
    perMessageDeflate: { ...offer, threshold: 0, zlibInflateOptions: { chunkSize: 256 } },
  });
  const [[response]] = await Promise.all([once(ws, 'upgrade'), once(ws, 'open')]);
  const answered = response.headers['sec-websocket-extensions'];
  const kept = (refused) => (context && !refused ? '' : 'no');
  assert.equal(/server_(no)_context_takeover/.exec(answered)?.[1] ?? '', kept(offer.serverNoContextTakeover), answered);
  assert.equal(/client_(no)_context_takeover/.exec(answered)?.[1] ?? '', kept(offer.clientNoContextTakeover), answered);
  const bits = Math.min(offer.serverMaxWindowBits ?? 15, context && !offer.serverNoContextTakeover ? 11 : 15);
  assert.equal(answered.includes(`server_max_window_bits=${bits}`), bits < 15, answered);
  for (const [i, size] of sizes.entries()) {
    for (const pieces of size < 1024 ? [1] : [1, 50]) await echo(ws, document(size, i), pieces);
  }
  ws.close(1000);
  await once(ws, 'close');
  console.log(JSON.stringify(offer));
}

// What ws would not send, made by zlib itself: every strategy and memory level,
// flushed in the middle, in one frame.
function frame(payload) {
  const head = Buffer.alloc(14);
  head[0] = 0xc1;
  head[1] = 0x80 | 127;
  head.writeBigUInt64BE(BigInt(payload.length), 2);
  if (payload.length < 126) {
    return Buffer.concat([Buffer.from([0xc1, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
  }
  if (payload.length < 65536) {
    return Buffer.concat([Buffer.from([0xc1, 0xfe, payload.length >> 8, payload.length & 255, 0, 0, 0, 0]), payload]);
  }
  return Buffer.concat([head, payload]);
}

const { hostname, port } = new URL(url);
const raw = net.connect(Number(port), hostname);
raw.write('GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n');
let pending = Buffer.alloc(0);
async function take(n) {
  while (pending.length < n) pending = Buffer.concat([pending, (await once(raw, 'data'))[0]]);
  const taken = pending.subarray(0, n);
  pending = pending.subarray(n);
  return taken;
}
while (!pending.includes('\r\n\r\n')) pending = Buffer.concat([pending, (await once(raw, 'data'))[0]]);
pending = pending.subarray(pending.indexOf('\r\n\r\n') + 4);
async function answer() {
  const [first, short] = await take(2);
  const size = short < 126 ? short : short === 126 ? (await take(2)).readUInt16BE() : Number((await take(8)).readBigUInt64BE());
  const payload = await take(size);
  return first & 0x40 ? zlib.inflateRawSync(Buffer.concat([payload, Buffer.from([0, 0, 0xff, 0xff])]), { finishFlush: zlib.constants.Z_SYNC_FLUSH }) : payload;
}
for (const strategy of [0, 1, 2, 3, 4]) {
  for (const memLevel of [1, 8]) {
    for (const level of [0, 1, 9]) {
      for (const [i, size] of [0, 1, 100, 5000, 131072].entries()) {
        const text = Buffer.from(document(size, i));
        const made = zlib.deflateRawSync(text, { level, memLevel, strategy, finishFlush: zlib.constants.Z_SYNC_FLUSH });
        raw.write(frame(made.subarray(0, made.length - 4)));
        assert.deepEqual(await answer(), text, `strategy ${strategy}, memLevel ${memLevel}, level ${level}, ${size} bytes`);
        const final = zlib.deflateRawSync(text, { level, memLevel, strategy }); // it ends with BFINAL
        raw.write(frame(Buffer.concat([final, Buffer.from([0])])));
        assert.deepEqual(await answer(), text, `BFINAL, strategy ${strategy}, memLevel ${memLevel}, level ${level}, ${size} bytes`);
      }
    }
  }
}
raw.destroy();
console.log('zlib');
