// The npm package pusher for a Go test: one trigger a line on stdin, its
// status and body a line on stdout.
import { createInterface } from 'node:readline';
import Pusher from 'pusher';

const pusher = new Pusher(JSON.parse(process.env.PUSHER_OPTIONS));

for await (const line of createInterface({ input: process.stdin })) {
  const { channels, name, data, params } = JSON.parse(line);
  let answer;
  try {
    const response = await pusher.trigger(channels, name, data, params);
    answer = { status: response.status, body: await response.text() };
  } catch (err) {
    answer = { status: err.status ?? 0, body: err.body ?? String(err) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
