'use strict';

const { until } = require('./support');
const { startBrowser } = require('./support/browser');
const { useChat } = require('./support/chat');

jest.setTimeout(90_000);

const FOYER = 'Foyer';
const PHONE = { viewport: { width: 390, height: 800 } };
/** A life that is not heard of for 15 s has ended; told 2 s later. */
const LIFE_MS = 30_000;

const start = useChat();

/** In order: each goes on where the one before ended. */
describe("the chat's page, on two instances", () => {
  let demo;
  let urls;
  let browser;
  let pages = [];

  beforeAll(async () => {
    browser = await startBrowser();
    demo = start({});
    urls = await demo.urls();
  });

  afterEach(async () => {
    const errors = pages.flatMap((page) => page.errors);
    await Promise.all(pages.map((page) => page.leave()));
    pages = [];
    expect(errors).toEqual([]);
  });

  afterAll(() => browser.close());

  async function open(instance, name, options) {
    const page = await browser.open(urls[instance], name, options);
    pages.push(page);
    return page;
  }

  async function both(...names) {
    const opened = await Promise.all(names.map((name, i) => open(i, name)));
    await Promise.all(opened.map((page) => page.enter(FOYER)));
    return opened;
  }

  test('two see each other come, type, talk and go', async () => {
    const [ada, grace] = await both('Ada', 'Grace');
    await Promise.all([ada.seesOnline('Grace'), grace.seesOnline('Ada')]);
    await ada.at.getByRole('textbox', { name: 'Message' }).pressSequentially('Hel');
    await grace.at.getByText('Ada is typing …').waitFor();
    await ada.say('Hello, Grace <b>!</b>');
    await Promise.all([ada.sees('Hello, Grace <b>!</b>'), grace.sees('Hello, Grace <b>!</b>')]);
    await until(async () => (await grace.at.getByText('is typing').count()) === 0, { what: 'nobody types' });
    await grace.say('Hello, Ada.');
    await ada.sees('Hello, Ada.');
    // It is told to all when one instance has found it out.
    await Promise.all([ada, grace].map((page) => page.message('Hello, Ada.').getByText(/reading ease/).waitFor()));
    pages.splice(pages.indexOf(grace), 1);
    await grace.leave();
    await ada.seesGone('Grace');
  });

  test('who writes too fast is told to slow down, keeps the text, and may write again', async () => {
    const [eager] = await both('Eager');
    for (let i = 0; i < 5; i++) {
      await eager.say(`One of many ${i}`);
      await eager.sees(`One of many ${i}`);
    }
    let said = 5;
    const slow = eager.at.getByText(/^Slow down: you can write again in \d+ s$/);
    await until(async () => {
      if (await slow.isVisible()) return true;
      if ((await eager.at.getByRole('textbox', { name: 'Message' }).inputValue()) === '') await eager.say(`One of many ${said++}`);
      return false;
    }, { what: 'slow down', timeoutMs: 30_000 });
    const text = await eager.at.getByRole('textbox', { name: 'Message' }).inputValue();
    expect(text).toMatch(/^One of many/);
    await slow.waitFor({ state: 'hidden' });
    await eager.at.getByRole('button', { name: 'Send' }).click();
    await eager.sees(text);
  });

  test('what is typed while a message is being sent stays', async () => {
    const [quick] = await both('Quick');
    const box = quick.at.getByRole('textbox', { name: 'Message' });
    await box.fill('First');
    await box.evaluate((element) => {
      element.form.requestSubmit();
      element.value = 'Second';
    });
    await quick.sees('First');
    await quick.at.getByRole('button', { name: 'Send' }).click();
    await quick.sees('Second');
  });

  test('what is edited on one instance is new in a thread on the other', async () => {
    const [asker, answerer] = await both('Asker', 'Answerer');
    await asker.say('Who wrote this play?');
    await answerer.message('Who wrote this play?').getByRole('button', { name: 'Reply to Asker' }).click();
    await answerer.at.getByRole('heading', { name: 'Replies to Asker' }).waitFor();
    await answerer.say('Marlowe did.');
    await asker.message('Who wrote this play?').getByRole('button', { name: '1 reply to Asker' }).click();
    await asker.sees('Marlowe did.');
    await answerer.message('Marlowe did.').getByRole('button', { name: 'Edit your message' }).click();
    await answerer.say('Shakespeare did.');
    await asker.sees('Shakespeare did.');
    // Read anew, from whichever cache.
    await asker.at.getByRole('button', { name: '← Room' }).click();
    await asker.isIn(FOYER);
    await asker.message('Who wrote this play?').getByRole('button', { name: '1 reply to Asker' }).click();
    await asker.sees('Shakespeare did.');
    expect(await asker.texts()).toEqual(['Who wrote this play?', 'Shakespeare did.']);
    await asker.message('Shakespeare did.').getByText('edited').waitFor();
  });

  test('search finds what was said', async () => {
    const [reader] = await both('Reader');
    await reader.enter('Romeo and Juliet');
    await reader.at.getByRole('searchbox').fill('wherefore');
    await reader.at.getByRole('searchbox').press('Enter');
    await reader.at.getByRole('heading', { name: '“wherefore”' }).waitFor();
    await until(async () => (await reader.texts()).length > 0, { what: 'something is found' });
    for (const text of await reader.texts()) expect(text).toMatch(/wherefore/i);
  });

  test('is used with the keyboard alone, and every control has a name', async () => {
    const [page] = await both('Keys');
    await page.at.getByRole('textbox', { name: 'Message' }).focus();
    await page.at.keyboard.type('By the keys');
    await page.at.keyboard.press('Enter');
    await page.sees('By the keys');
    await page.at.keyboard.press('Shift+Tab');
    await page.at.keyboard.press('Shift+Tab');
    expect(await page.at.evaluate(() => globalThis.document.activeElement.closest('.message')?.textContent)).toContain('By the keys');
    const snapshot = await page.at.locator('body').ariaSnapshot();
    expect(snapshot).toContain('button "Send"');
    expect(snapshot).not.toMatch(/^\s*- (button|textbox|searchbox|link|navigation|complementary|region)(:|$)/m);
  });

  test('fits a phone: one part at a time, nothing wider than the screen', async () => {
    const page = await open(1, 'Phone', PHONE);
    for (const [tab, heading] of [['Rooms', 'Rooms'], ['Online', /^Online/], ['Behind', 'Behind the scenes'], ['Chat', 'Twelfth Night']]) {
      await page.at.getByRole('navigation', { name: 'Views' }).getByRole('button', { name: tab }).click();
      await page.at.getByRole('heading', { name: heading }).waitFor();
      expect(await page.at.evaluate(() => globalThis.document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    }
  });

  test('behind the scenes there are live figures and charts', async () => {
    const [page] = await both('Watcher');
    const panel = page.at.getByRole('complementary', { name: 'Behind the scenes' });
    await panel.locator('dt', { hasText: 'Instance' }).waitFor();
    const figure = (name) => panel.locator(`dt:text-is("${name}") + dd`).textContent();
    expect(await figure('Instance')).toBe('A');
    expect(await figure('Redis')).toMatch(/^there since/);
    await until(async () => /MiB/.test(await figure('Its memory')), { what: "the server's memory" });
    await until(async () => /^[\d.]+ \/ [\d.]+ ms$/.test(await figure('Latency p50 / p99')), { what: 'a latency' });
    await until(async () => (await panel.locator('canvas').count()) === 3, { what: 'three charts' });
  });

  test('Redis is stopped, each instance chats by itself; it is started, and nothing is stale or lost', async () => {
    const [ada, grace] = await both('Ann', 'Gwen');
    const friend = await open(0, 'Friend');
    await friend.enter(FOYER);
    await grace.seesOnline('Friend');
    await ada.at.getByRole('button', { name: 'Stop Redis' }).click();
    await Promise.all([ada, grace].map((page) => page.at.getByText(/^Degraded: Redis is away/).waitFor()));
    await ada.say('Alone on A');
    await friend.sees('Alone on A');
    await grace.say('Alone on B');
    await grace.sees('Alone on B');
    expect(await ada.texts()).not.toContain('Alone on B');
    await ada.at.getByRole('button', { name: 'Start Redis' }).click();
    await Promise.all([ada, grace, friend].map((page) => page.seesRedis('Redis is there')));
    await Promise.all([ada, grace, friend].flatMap((page) => [page.sees('Alone on A'), page.sees('Alone on B')]));
    await Promise.all([ada.seesOnline('Gwen'), grace.seesOnline('Ann')]);
    await grace.say('Together again');
    await Promise.all([ada.sees('Together again'), friend.sees('Together again')]);
  });

  test('the people of an instance that was killed leave, and come back with it no more', async () => {
    const [one, other] = await both('Left', 'Right');
    await Promise.all([one.seesOnline('Right'), other.seesOnline('Left')]);
    const victim = demo.descendants().find(({ command }) => command.includes('server.js'));
    process.kill(victim.pid, 'SIGKILL');
    const [, name] = await demo.says(/Instance (A|B) has ended \(SIGKILL\)/);
    const [lost, survivor, gone] = name === 'A' ? [one, other, 'Left'] : [other, one, 'Right'];
    await lost.at.getByText('The connection is lost; trying again …').waitFor();
    await survivor.seesGone(gone, LIFE_MS);
    await survivor.say('Still here');
    await survivor.sees('Still here');
    // Its page tries to reconnect, which is an error to a browser.
    expect(lost.errors.filter((error) => !/ERR_CONNECTION_REFUSED/.test(error))).toEqual([]);
    lost.errors = [];
  });
});
