// Drives headless Chromium for a Go test: one JSON command a line on stdin, one
// JSON answer a line on stdout. The browser ends with stdin, so that a test
// that dies leaves none behind.
//
//   {"id":1,"do":"open","page":"a","url":"http://..."}
//   {"id":2,"do":"script","page":"a","path":"node_modules/..."}
//   {"id":3,"do":"eval","page":"a","code":"1 + 1"}          -> {"id":3,"value":2}
//   {"id":4,"do":"wait","page":"a","code":"window.done"}    -> when it is true
//   {"id":5,"do":"shot","page":"a","path":"/tmp/x.png"}
//   {"id":6,"do":"close","page":"a"}
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const deadline = Number(process.env.ROOST_TEST_DEADLINE_MS || 20000);

const browser = await chromium.launch({
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
const errors = new Map();

async function open({ page: name, url, width, height }) {
  const context = await browser.newContext({ viewport: { width: width || 1100, height: height || 800 } });
  const page = await context.newPage();
  page.setDefaultTimeout(deadline);
  const seen = [];
  page.on('pageerror', (e) => seen.push(String(e)));
  pages.set(name, page);
  errors.set(name, seen);
  await page.goto(url);
}

const verbs = {
  open,
  script: ({ page, path }) => pages.get(page).addScriptTag({ path }).then(() => null),
  eval: ({ page, code }) => pages.get(page).evaluate(code),
  wait: ({ page, code }) => pages.get(page).waitForFunction(code, null, { timeout: deadline }).then(() => null),
  click: ({ page, selector }) => pages.get(page).click(selector),
  fill: ({ page, selector, text }) => pages.get(page).fill(selector, text),
  shot: ({ page, path }) => pages.get(page).screenshot({ path, fullPage: true }).then(() => null),
  errors: ({ page }) => errors.get(page),
  close: ({ page }) => pages.get(page).context().close(),
};

function answer(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

answer({ id: 0, value: browser.version() });
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  Promise.resolve()
    .then(() => verbs[command.do](command))
    .then(
      (value) => answer({ id: command.id, value: value ?? null }),
      (err) => answer({ id: command.id, error: String(err) }),
    );
}
await browser.close();
