// pusher-js in Node for a Go test: {"do":"connect","key":...,"options":{...}},
// {"do":"subscribe","channel":...} and the like on stdin, what happens on stdout.
import { createInterface } from 'node:readline';
import Pusher from 'pusher-js';
import './watch.js';

function emit(event) {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

let watched;
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  if (command.do === 'connect') {
    watched = globalThis.watch(Pusher, command.key, command.options, emit);
  } else {
    watched[command.do](command.channel);
  }
}
process.exit(0);
