// Observations and memories against the real llamad: what it holds beyond the snapshot, and what the nodes find.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { launchBrowser, live, openPage } from './browser.mjs';
import { FakeAgent } from './fake-agent.mjs';
import { ROOT, Stack } from './support.mjs';

const naive = (agoS) => new Date(Date.now() - agoS * 1000).toISOString().slice(0, -1);

let stack;
let browser;
let kitchen;
const stubs = [];
const open = [];

/** A Smollama on this machine: answers /api/stats, and searches as `search` says. */
async function startStub(name, search) {
  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://stub');
    const send = (status, body) => {
      response.writeHead(status, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    if (url.searchParams.get('query')) return search(send);
    if (url.pathname === '/api/stats')
      return send(200, { node_name: name, readings_count: 0, observations_count: 0, memories_count: 0 });
    return send(200, { timestamp: naive(0), count: 0, readings: [], observations: [], memories: [] });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  stubs.push(server);
  return { name, url: `http://127.0.0.1:${server.address().port}` };
}

before(async () => {
  const found = {
    query: 'kettle',
    hours: 0,
    count: 1,
    observations: [
      { id: 77, timestamp: naive(9e6), text: 'the kettle of last year', confidence: 0.5, type: 'trend', related_sources: null },
    ],
  };
  const manual_nodes = [
    await startStub('finder', (send) => send(200, found)),
    await startStub('hanging', () => {}),
    await startStub('broken', (send) => send(500, { detail: 'vector search' })),
  ];
  stack = await Stack.start({
    cluster: { aggregation_interval: 60, request_timeout: 2, discovery_method: 'manual', manual_nodes, poll_allow: ['127.0.0.0/8'] },
  });
  browser = await launchBrowser();
  const attic = new FakeAgent(stack, 'attic').online();
  attic.observations([
    { id: 1, text: 'a kettle whistled', timestamp: naive(86_400), type: 'anomaly', related_sources: ['gpio:1', 'no:such'] },
  ]);
  attic.readings({ 'gpio:1': 1 });
  attic.heartbeat();
  kitchen = new FakeAgent(stack, 'kitchen').online();
  // More than the 200 that every page is sent.
  kitchen.observations(
    Array.from({ length: 300 }, (_, i) => ({ id: i, text: `noted ${i}`, timestamp: naive(10 + i), type: i % 2 ? 'status' : 'general' })),
  );
  kitchen.memories([{ id: 1, text: 'the kettle is red', times_confirmed: 12 }]);
  kitchen.heartbeat();
});

afterEach(async () => {
  await Promise.all(open.splice(0).map((context) => context.close()));
});

after(async () => {
  await browser?.close();
  await stack?.stop();
  for (const stub of stubs) {
    stub.closeAllConnections();
    stub.close();
  }
});

function onPage(name, hash, run) {
  test(name, { timeout: 60_000 }, async () => {
    try {
      const { page, context, wrong } = await openPage(browser, stack.url + hash);
      open.push(context);
      await live(page);
      await run(page);
      assert.deepEqual(await wrong(), []);
    } catch (error) {
      stack.printLogs();
      throw error;
    }
  });
}

const item = (page, text) => page.locator('.item', { hasText: text }).first();

onPage('search_finds_what_is_beyond_the_snapshot', '#/observations', async (page) => {
  await item(page, 'noted 0').waitFor();
  await page.getByRole('searchbox').fill('whistled');
  await item(page, 'a kettle whistled').waitFor();
  const links = await item(page, 'a kettle whistled').locator('.chip').evaluateAll((all) => all.map((a) => a.hash));
  assert.deepEqual(links, ['#/node?node=attic&source=gpio%3A1', '#/readings?node=attic&q=no%3Asuch']);
});

onPage('window_and_type_narrow_and_stand_in_the_address', '#/observations', async (page) => {
  await page.getByLabel('Filter by time').selectOption('1');
  await page.getByLabel('Filter by type').selectOption('status');
  await page.waitForFunction(() => document.querySelector('.count').textContent === '150');
  assert.match(page.url(), /type=status&hours=1$/);
  await page.getByLabel('Filter by time').selectOption('168');
  await page.getByLabel('Filter by type').selectOption('');
  await page.waitForURL(/hours=168$/);
  await page.getByRole('link', { name: 'Events' }).click();
  await page.getByRole('link', { name: 'Observations' }).click();
  assert.match(page.url(), /observations\?hours=168$/, 'the window is remembered');
});

onPage('show_more_brings_what_llamad_holds_beyond_the_newest', '#/observations', async (page) => {
  await page.waitForFunction(() => document.querySelector('.count').textContent === '200');
  await page.evaluate(() => setInterval(() => scrollTo(0, document.body.scrollHeight), 50));
  await page.getByRole('button', { name: 'Show more' }).click();
  await page.waitForFunction(() => document.querySelector('.count').textContent === '301');
  await page.getByRole('button', { name: 'Show more' }).waitFor({ state: 'detached' });
});

onPage('deep_search_tells_how_it_went_with_each_node', '#/observations?q=kettle', async (page) => {
  await item(page, 'a kettle whistled').waitFor();
  await page.getByRole('button', { name: 'Search all nodes' }).click();
  await page.getByText(/Asking all nodes/).waitFor();
  await page.getByText('2 found on 2 nodes').waitFor();
  await item(page, 'the kettle of last year').waitFor();
  const said = Object.fromEntries(
    await page.locator('.outcomes > div').evaluateAll((all) => all.map((one) => one.innerText.trim().split(/\s*\n\s*/, 2))),
  );
  assert.match(said['no answer in time'], /hanging/);
  assert.match(said['HTTP 500'], /broken/);
  assert.match(said['answered'], /finder/);
  assert.match(said['no address known'], /attic/);
  await page.getByRole('button', { name: 'Back to the list' }).click();
  await item(page, 'the kettle of last year').waitFor({ state: 'detached' });
  await item(page, 'a kettle whistled').waitFor();
});

onPage('memory_shows_how_often_it_was_confirmed_and_a_new_one_is_marked', '#/memories', async (page) => {
  await item(page, 'the kettle is red').filter({ hasText: 'confirmed 12×' }).waitFor();
  assert.equal(await page.locator('.new').count(), 0);
  kitchen.memories([
    { id: 1, text: 'the kettle is red', times_confirmed: 12 },
    { id: 2, text: 'tea is at five' },
  ]);
  await item(page, 'tea is at five').locator('.new').waitFor();
  assert.equal(await page.locator('.new').count(), 1);
});

onPage('awkward_texts_are_text', '#/observations?node=awkward', async (page) => {
  const body = readFileSync(join(ROOT, 'tests/fixtures/smollama/kitchen/observations_all.json'), 'utf8');
  const texts = JSON.parse(body).observations.map((one) => one.text);
  const agent = new FakeAgent(stack, 'awkward').online();
  agent.report('observations', body);
  agent.heartbeat();
  await page.locator('.item[data-node="awkward"]').first().waitFor();
  while ((await page.getByRole('button', { name: 'Show all' }).count()) > 0)
    await page.getByRole('button', { name: 'Show all' }).first().click();
  // Not innerText: what is out of sight is not laid out.
  const shown = await page.locator('.items').textContent();
  assert.equal(await page.locator('.items :is(script, img, iframe, b)').count(), 0);
  assert(texts.some((text) => text.includes('<script>')) && shown.includes('<script>'));
  assert(texts.some((text) => text.includes('\0')) && shown.includes('NUL'));
  assert(texts.some((text) => text.includes('\u202e')) && shown.includes('U+202E') && !shown.includes('\u202e'));
  assert(texts.some((text) => text.length >= 4000 && shown.includes(text.slice(-40).trim())), 'long ones are whole');
});
