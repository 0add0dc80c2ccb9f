// Drives headless Chromium for a Go test: one JSON command a line on stdin, one
// JSON answer a line on stdout. The browser ends with stdin, so that a test
// that dies leaves none behind.
//
//   {"id":1,"do":"open","page":"a","url":"http://..."}
//   {"id":2,"do":"script","page":"a","path":"watch.js"}
//   {"id":3,"do":"eval","page":"a","code":"1 + 1"}     -> {"id":3,"value":2}
//   {"id":4,"do":"wait","page":"a","code":"done"}      -> answered when it is true
//
// A page says things by itself with emit(value), which arrives as
// {"page":"a","event":value}.
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const timeout = Number(process.env.TIMEOUT_MS);
const browser = await chromium.launch({
  timeout,
  executablePath: process.env.CHROMIUM,
  args: [
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});
const pages = new Map();
const faults = new Map(); // what each page threw

function say(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

async function open({ page: name, url, width = 1100, height = 800, colorScheme = 'light' }) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, ignoreHTTPSErrors: true });
  const page = await context.newPage();
  page.setDefaultTimeout(timeout);
  pages.set(name, page);
  faults.set(name, []);
  page.on('pageerror', (err) => faults.get(name).push(String(err)));
  await page.exposeFunction('emit', (event) => say({ page: name, event }));
  await page.goto(url);
}

async function close({ page }) {
  await pages.get(page).context().close();
  pages.delete(page);
}

// wait looks at every frame drawn. Playwright's own waitForFunction needs eval in the
// page, which a Content-Security-Policy forbids.
async function wait({ page: name, code }) {
  const page = pages.get(name);
  for (const end = Date.now() + timeout; !(await page.evaluate(code)); ) {
    if (Date.now() > end) throw new Error(`not true within ${timeout} ms: ${code}`);
    await page.evaluate(() => new Promise(requestAnimationFrame));
  }
}

const verbs = {
  open,
  close,
  script: ({ page, path, url }) => pages.get(page).addScriptTag(path ? { path } : { url }),
  eval: ({ page, code }) => pages.get(page).evaluate(code),
  wait,
  click: ({ page, selector }) => pages.get(page).click(selector),
  fill: ({ page, selector, text }) => pages.get(page).fill(selector, text),
  shot: ({ page, path }) => pages.get(page).screenshot({ path, fullPage: true }),
  faults: ({ page }) => faults.get(page),
};
const answered = new Set(['eval', 'faults']); // the rest have nothing to say but that they are done

async function run(command) {
  try {
    const value = await verbs[command.do](command);
    say({ id: command.id, value: answered.has(command.do) ? (value ?? null) : null });
  } catch (err) {
    say({ id: command.id, error: String(err) });
  }
}

say({ id: 0, value: browser.version() });
for await (const line of createInterface({ input: process.stdin })) {
  run(JSON.parse(line));
}
await browser.close();
