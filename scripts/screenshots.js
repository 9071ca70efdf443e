'use strict';

// Takes the pictures of the demo for README.md and docs/: `node scripts/screenshots.js`.

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { chromium } = require('playwright-core');
const { ensureChromium } = require('./chromium');
const { ROOT } = require('./run');

const PICTURES = path.join(ROOT, 'docs', 'screenshots');
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 800 };
/** For charts with content. */
const LIVE_MS = 25_000;
const TALK = [
  ['Ada', 'Is there anybody in the foyer? The play begins at seven.'],
  ['Grace', 'I am, by the other door. I came in by instance B.'],
  ['Ada', 'Then what I write here crosses over to you by way of Redis.'],
  ['Grace', 'And when somebody stops it, each of us talks to those who are near.'],
  ['Ada', 'Until it is back. Shall I try?'],
];

async function startDemo() {
  const demo = spawn(process.execPath, [path.join(ROOT, 'examples', 'chat', 'demo.js')], {
    env: { ...process.env, PORT: '0', REDIS_URL: '', DATABASE_URL: '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  for await (const chunk of demo.stdout) {
    output += chunk;
    if (output.includes('Ctrl-C')) break;
  }
  return { demo, urls: output.match(/http:\/\/localhost:\d+/g) };
}

async function visit(browser, url, name, options) {
  const page = await (await browser.newContext({ locale: 'en-GB', ...options })).newPage();
  await page.goto(url);
  await page.getByLabel('Your name').fill(name);
  await page.getByRole('button', { name: 'Come in' }).click();
  await page.getByRole('heading', { name: 'Twelfth Night' }).waitFor();
  return page;
}

async function enterFoyer(page, isPhone) {
  if (isPhone) await page.getByRole('button', { name: 'Rooms' }).click();
  await page.getByRole('navigation', { name: 'Rooms' }).getByRole('button', { name: 'Foyer' }).click();
  await page.getByRole('heading', { name: 'Foyer' }).waitFor();
}

async function say(page, text) {
  await page.getByRole('textbox', { name: 'Message' }).fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
  await page.getByText(text).waitFor();
}

/** Other visitors, so that there is activity to show behind the scenes. */
async function browse(page) {
  const until = Date.now() + LIVE_MS;
  while (Date.now() < until) {
    for (const room of ['Romeo and Juliet', 'As You Like It', 'Foyer']) {
      await page.getByRole('navigation', { name: 'Rooms' }).getByRole('button', { name: room }).click();
      await page.getByRole('heading', { name: room }).waitFor();
      await sleep(700);
    }
  }
}

async function takeAll(browser, urls) {
  const ada = await visit(browser, urls[0], 'Ada', { viewport: DESKTOP, colorScheme: 'light' });
  const night = await visit(browser, urls[0], 'Ada', { viewport: DESKTOP, colorScheme: 'dark' });
  const grace = await visit(browser, urls[1], 'Grace', { viewport: PHONE, colorScheme: 'dark' });
  const day = await visit(browser, urls[1], 'Grace', { viewport: PHONE, colorScheme: 'light' });
  const guests = await Promise.all(urls.map((url, i) => visit(browser, url, ['Mary', 'Rosalind'][i], { viewport: DESKTOP })));
  await Promise.all([enterFoyer(ada), enterFoyer(night), enterFoyer(grace, true), enterFoyer(day, true)]);
  for (const [name, text] of TALK) {
    await say(name === 'Ada' ? ada : grace, text);
    await sleep(1500);
  }
  await day.getByRole('button', { name: 'Behind' }).click();
  await Promise.all(guests.map(browse));
  await grace.getByRole('textbox', { name: 'Message' }).pressSequentially('Do');
  await ada.getByText('Grace is typing').waitFor();
  const pictures = { 'desktop-light': ada, 'desktop-dark': night, 'phone-dark': grace, 'phone-light': day };
  for (const [name, page] of Object.entries(pictures)) await page.screenshot({ path: path.join(PICTURES, `${name}.png`) });
}

async function main() {
  fs.mkdirSync(PICTURES, { recursive: true });
  const { demo, urls } = await startDemo();
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({ executablePath: await ensureChromium(), args });
  try {
    await takeAll(browser, urls);
  } finally {
    await browser.close();
    demo.kill('SIGINT');
  }
}

main();
