// A client library in Node for a Go test: first {"client":"watch" or "laravel",
// "with":{...}}, then {"do":"subscribe","args":[...]} and the like on stdin, what
// happens on stdout.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import Echo from 'laravel-echo';
import Pusher from 'pusher-js';
import './laravel.js';
import './watch.js';

function emit(event) {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

let client;
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  if (command.client) {
    if (command.plugin) createRequire(import.meta.url)(command.plugin)(Pusher);
    client = globalThis[command.client]({ Echo, Pusher }, command.with, emit);
  } else {
    client[command.do](...command.args);
  }
}
process.exit(0);
