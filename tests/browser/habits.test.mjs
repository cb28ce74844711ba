// Habits of the page against the real llamad: addresses, pauses, restarts, the theme's script.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { launchBrowser, live, openPage } from './browser.mjs';
import { FakeAgent } from './fake-agent.mjs';
import { Stack } from './support.mjs';

let stack;
let browser;
let context;
let kitchen;

before(async () => {
  stack = await Stack.start();
  browser = await launchBrowser();
  kitchen = new FakeAgent(stack, 'kitchen').online().readings({
    'system:cpu_temp': { value: 45.5, unit: 'celsius' },
    'system:gpu_temp': { value: 61, unit: 'celsius' },
    'system:load_avg': 0.5,
  });
  kitchen.heartbeat();
});

afterEach(async () => {
  await context?.close();
});

after(async () => {
  await browser?.close();
  await stack?.stop();
});

function onPage(name, hash, run) {
  test(name, { timeout: 60_000 }, async () => {
    try {
      const opened = await openPage(browser, 'about:blank');
      context = opened.context;
      await opened.page.clock.install();
      await opened.page.goto(stack.url + hash);
      await opened.page.clock.resume();
      await live(opened.page);
      await run(opened.page);
      assert.deepEqual(await opened.wrong(), []);
    } catch (error) {
      stack.printLogs();
      throw error;
    }
  });
}

const value = (page, source) => page.locator(`tr[data-node="kitchen"][data-source="${source}"] .value`);
const sources = (page) => page.locator('tr[data-source]').evaluateAll((rows) => rows.map((one) => one.dataset.source));

onPage('an_address_shows_the_same_wherever_it_is_opened', '#/readings?node=kitchen&q=temp&sort=-value', async (page) => {
  const wanted = ['system:gpu_temp', 'system:cpu_temp'];
  await value(page, wanted[0]).waitFor();
  assert.deepEqual(await sources(page), wanted);
  await page.reload();
  await value(page, wanted[0]).waitFor();
  assert.deepEqual(await sources(page), wanted);
  await page.keyboard.type('ge');
  await page.waitForFunction(() => location.hash.startsWith('#/events'));
  await page.goBack();
  await value(page, wanted[0]).waitFor();
  assert.deepEqual(await sources(page), wanted);
  await page.goForward();
  await page.getByRole('heading', { level: 1, name: 'Events of kitchen' }).waitFor();
});

onPage('the_policy_lets_the_theme_in_and_nothing_from_outside', '#/overview', async (page) => {
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.waitForFunction(() => document.documentElement.dataset.theme === 'dark');
  const hosts = new Set();
  page.on('request', (request) => hosts.add(new URL(request.url()).host));
  await page.reload();
  await live(page);
  assert.deepEqual([...hosts], [new URL(stack.url).host]);
});

onPage('a_paused_page_shows_the_newest_values_when_it_is_looked_at_again', '#/readings?node=kitchen', async (page) => {
  await value(page, 'system:cpu_temp').filter({ hasText: '45.5' }).waitFor();
  const hide = (hidden) =>
    page.evaluate((now) => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => now });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  await hide(true);
  await page.clock.fastForward(31_000);
  await page.getByText('Paused', { exact: true }).waitFor();
  await page.locator('main.outdated').waitFor();
  // llamad is another one meanwhile.
  await stack.llamad.kill();
  await stack.restartLlamad();
  kitchen.readings({ 'system:cpu_temp': { value: 46.25, unit: 'celsius' } });
  kitchen.heartbeat();
  await hide(false);
  await live(page);
  await value(page, 'system:cpu_temp').filter({ hasText: '46.25' }).waitFor();
  await value(page, 'system:gpu_temp').waitFor({ state: 'detached' });
  await page.locator('main.outdated').waitFor({ state: 'detached' });
});
