'use strict';

const { chromium } = require('playwright-core');
const { ensureChromium } = require('../../scripts/chromium');

const PATIENCE_MS = 20_000;

/** A real browser; every page has a visitor of its own. */
async function startBrowser() {
  // Chromium has no sandbox for root.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({ executablePath: await ensureChromium(), args });
  return {
    open: (url, name, options) => openPage(browser, url, name, options),
    close: () => browser.close(),
  };
}

async function openPage(browser, url, name, options) {
  const context = await browser.newContext({ locale: 'en-US', ...options });
  const page = new Page(await context.newPage());
  await page.at.goto(url);
  await page.at.getByLabel('Your name').fill(name);
  await page.at.getByRole('button', { name: 'Come in' }).click();
  await page.at.getByRole('button', { name: `You are ${name}` }).waitFor();
  await page.isIn('Twelfth Night');
  return page;
}

/** The chat's page, as somebody looks at it. */
class Page {
  /** What went wrong, in the browser's words. */
  errors = [];

  constructor(page) {
    this.at = page;
    page.setDefaultTimeout(PATIENCE_MS);
    page.on('console', (line) => line.type() === 'error' && this.errors.push(line.text()));
    page.on('pageerror', (error) => this.errors.push(String(error)));
    page.on('requestfailed', (request) => this.errors.push(`${request.url()} failed`));
  }

  get log() {
    return this.at.getByRole('log', { name: 'Messages' });
  }

  get online() {
    return this.at.getByRole('complementary', { name: /^Online/ });
  }

  isIn(room) {
    return this.at.getByRole('heading', { name: room, exact: true }).waitFor();
  }

  async enter(room) {
    await this.at.getByRole('navigation', { name: 'Rooms' }).getByRole('button', { name: room }).click();
    await this.isIn(room);
  }

  async say(text) {
    await this.at.getByRole('textbox', { name: 'Message' }).fill(text);
    await this.at.getByRole('button', { name: 'Send' }).click();
  }

  sees(text) {
    return this.log.getByText(text, { exact: true }).waitFor();
  }

  /** A message, by its text. */
  message(text) {
    return this.log.getByRole('listitem').filter({ hasText: text });
  }

  texts() {
    return this.log.locator('.body').allTextContents();
  }

  seesOnline(name) {
    return this.online.getByText(new RegExp(`^${name}\\b`)).waitFor();
  }

  seesGone(name, timeout) {
    return this.online.getByText(new RegExp(`^${name}\\b`)).waitFor({ state: 'detached', timeout });
  }

  seesRedis(text) {
    return this.at.getByText(text, { exact: true }).waitFor();
  }

  leave() {
    return this.at.context().close();
  }
}

module.exports = { startBrowser };
