// The dashboard against the real llamad, a real broker and real MQTT messages.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { DESKTOP, PHONE, launchBrowser, live, openPage, sideways } from './browser.mjs';
import { FakeAgent } from './fake-agent.mjs';
import { ROOT, Stack, until } from './support.mjs';

const fixture = (node, kind) =>
  readFileSync(join(ROOT, 'tests', 'fixtures', 'smollama', node, `${kind}.json`), 'utf8');

let stack;
let browser;
let kitchen;
let attic;
const open = [];

before(async () => {
  stack = await Stack.start();
  browser = await launchBrowser();
  kitchen = new FakeAgent(stack, 'kitchen')
    .online()
    .readings({
      'system:cpu_temp': { value: 45.5, unit: 'celsius' },
      'gpio:27': { value: 1, unit: 'boolean', metadata: { name: 'door_switch' } },
    })
    .observations([
      {
        text: 'The kitchen is warm',
        type: 'anomaly',
        confidence: 0.77,
        related_sources: ['system:cpu_temp'],
      },
    ])
    .memories([{ text: 'The kitchen faces south', times_confirmed: 3 }])
    .stats({ readings_count: 1200, observations_count: 1, memories_count: 1 });
  attic = new FakeAgent(stack, 'attic', { type: 'llama' })
    .online()
    .readings({ 'system:cpu_temp': { value: 31.25, unit: 'celsius' } })
    .observations([{ text: 'The attic is quiet' }])
    .memories([{ text: 'Nobody lives in the attic' }])
    .stats({ readings_count: 34, observations_count: 1, memories_count: 1 });
  kitchen.heartbeat();
  attic.heartbeat();
});

afterEach(async () => {
  await Promise.all(open.splice(0).map((context) => context.close()));
});

after(async () => {
  await browser?.close();
  await stack?.stop();
});

/**
 * Runs a test on a page; the programs' logs are printed if it fails, and nothing may have gone wrong on the
 * page.
 */
function onPage(name, hash, options, run) {
  test(name, { timeout: 60_000 }, async () => {
    try {
      const { page, context, wrong } = await openPage(browser, stack.url + hash, options);
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

const row = (page, node, source) => page.locator(`tr[data-node="${node}"][data-source="${source}"]`);
const has = (locator, text) => locator.filter({ hasText: text }).first().waitFor();

onPage('value_published_over_mqtt_appears_in_the_page', '#/readings', {}, async (page) => {
  await has(row(page, 'kitchen', 'system:cpu_temp'), '45.5');
  kitchen.readings({
    'system:cpu_temp': { value: 46.75, unit: 'celsius' },
    'gpio:27': { value: 0, unit: 'boolean', metadata: { name: 'door_switch' } },
  });
  await has(row(page, 'kitchen', 'system:cpu_temp'), /46\.75\s*°C/);
  await has(row(page, 'kitchen', 'gpio:27'), 'off');
  await has(row(page, 'attic', 'system:cpu_temp'), '31.25');
});

onPage(
  'node_that_appears_on_mqtt_appears_in_the_page_and_in_the_drop_down',
  '#/overview',
  {},
  async (page) => {
    new FakeAgent(stack, 'late comer').online().readings({ 'x:y': 1 });
    await page.locator('.card[data-node="late comer"]', { hasText: 'online' }).waitFor();
    await page
      .getByLabel('Node', { exact: true })
      .locator('option', { hasText: 'late comer' })
      .waitFor({ state: 'attached' });
  },
);

onPage('readings_have_a_node_column', '#/readings', {}, async (page) => {
  assert.equal(await page.getByRole('columnheader', { name: 'Node' }).count(), 1);
  const cell = row(page, 'kitchen', 'system:cpu_temp').getByRole('cell').first();
  assert.equal((await cell.innerText()).trim(), 'kitchen');
});

onPage('node_drop_down_filters_every_view', '#/readings', {}, async (page) => {
  await row(page, 'attic', 'system:cpu_temp').waitFor();
  await page.getByLabel('Node', { exact: true }).selectOption('kitchen');
  await row(page, 'attic', 'system:cpu_temp').waitFor({ state: 'detached' });
  assert.equal(await row(page, 'kitchen', 'system:cpu_temp').count(), 1);
  const texts = {
    Observations: ['The kitchen is warm', 'The attic is quiet'],
    Memories: ['The kitchen faces south', 'Nobody lives in the attic'],
  };
  for (const [view, [there, gone]] of Object.entries(texts)) {
    await page.getByRole('navigation').getByRole('link', { name: view }).click();
    await page.getByText(there).waitFor();
    assert.equal(await page.getByText(gone).count(), 0, `${view} of another node`);
  }
  await page.getByRole('navigation').getByRole('link', { name: 'Overview' }).click();
  await page.locator('.card[data-node="kitchen"]').waitFor();
  assert.equal(await page.locator('.card').count(), 1);
  await page.getByLabel('Node', { exact: true }).selectOption('');
  await page.locator('.card[data-node="attic"]').waitFor();
  await page.goBack();
  await page.locator('.card[data-node="attic"]').waitFor({ state: 'detached' });
});

onPage('observations_name_the_node_that_made_them', '#/observations', {}, async (page) => {
  const item = page.locator('.item', { hasText: 'The kitchen is warm' });
  await item.waitFor();
  const text = await item.innerText();
  for (const part of ['kitchen', 'anomaly', '77 %', 'system:cpu_temp'])
    assert(text.includes(part), `${part} in ${text}`);
  assert.equal(await item.getAttribute('data-node'), 'kitchen');
  await page.locator('.item[data-node="attic"]', { hasText: 'The attic is quiet' }).waitFor();
});

onPage('observation_published_over_mqtt_appears_in_the_page', '#/observations', {}, async (page) => {
  attic.observations([
    { id: 2, text: 'A bat came in' },
    { id: 1, text: 'The attic is quiet' },
  ]);
  await page.locator('.item[data-node="attic"]', { hasText: 'A bat came in' }).waitFor();
});

onPage('overview_sums_what_the_nodes_say_and_breaks_it_down', '#/overview', {}, async (page) => {
  const total = page.locator('[data-total="readings"]');
  await has(total, /^1.?234$/);
  await has(page.locator('.breakdown tr[data-node="kitchen"]'), /1.?200/);
  await has(page.locator('.breakdown tr[data-node="attic"]'), '34');
});

onPage('awkward_texts_are_shown_as_text_and_run_nothing', '#/observations?node=awkward', {}, async (page) => {
  new FakeAgent(stack, 'awkward')
    .online()
    .readings({
      'jetson:<img src=x onerror=alert(2)>': { value: '<script>alert(3)</script>', unit: '<b>' },
      'jetson:bidi': 'a\u202eb',
      'jetson:nul': 'before\u0000after',
      'jetson:object': { value: { a: [1, null] } },
    })
    .report('observations', fixture('kitchen', 'observations_all'))
    .report('memories', fixture('kitchen', 'memories_all'));
  const items = page.locator('.item');
  await items
    .filter({ hasText: "<script>alert('xss from kitchen')</script><img src=x onerror=alert(1)>" })
    .waitFor();
  await items.filter({ hasText: 'Embedded NUL here:NUL:after the NUL' }).waitFor();
  await items.filter({ hasText: /bidi U\+202Edrowkcab/ }).waitFor();
  await items.filter({ hasText: 'ESC[31mred' }).waitFor();
  await items.filter({ hasText: 'Trend/Correlation <x>' }).waitFor();
  await page.getByRole('navigation').getByRole('link', { name: 'Memories' }).click();
  await items.filter({ hasText: '</script><script>alert(document.cookie)</script>' }).waitFor();
  await page.getByRole('navigation').getByRole('link', { name: 'Readings' }).click();
  await page
    .locator('tr', { hasText: '<img src=x onerror=alert(2)>' })
    .filter({ hasText: '<script>alert(3)</script>' })
    .waitFor();
  await has(row(page, 'awkward', 'jetson:bidi'), 'aU+202Eb');
  await has(row(page, 'awkward', 'jetson:nul'), 'beforeNULafter');
  await has(row(page, 'awkward', 'jetson:object'), '{"a": [1, null]}');
  assert.equal(await page.locator('main script, main img').count(), 0);
});

onPage('numbers_beyond_a_double_keep_their_digits', '#/readings?node=digits', {}, async (page) => {
  new FakeAgent(stack, 'digits')
    .online()
    .report(
      'readings',
      '{"timestamp":"2026-11-23T08:00:00","readings":[{"full_id":"x:big",' +
        '"value":9007199254740993,"unit":null,"timestamp":"2026-11-23T08:00:00","metadata":null}]}',
    );
  await has(row(page, 'digits', 'x:big'), '9007199254740993');
});

onPage('search_narrows_the_table_and_stands_in_the_address', '#/readings', {}, async (page) => {
  await row(page, 'attic', 'system:cpu_temp').waitFor();
  await page.getByRole('searchbox').fill('door_switch');
  await row(page, 'attic', 'system:cpu_temp').waitFor({ state: 'detached' });
  await row(page, 'kitchen', 'gpio:27').waitFor();
  assert.match(page.url(), /q=door_switch/);
  await page.reload();
  await row(page, 'kitchen', 'gpio:27').waitFor();
  assert.equal(await page.getByRole('searchbox').inputValue(), 'door_switch');
});

onPage('columns_sort', '#/readings?q=cpu_temp', {}, async (page) => {
  const value = page.getByRole('columnheader', { name: 'Value' });
  // The attic is the colder of the two.
  const order = async () => {
    const nodes = await page.locator('tbody tr').evaluateAll((rows) => rows.map((one) => one.dataset.node));
    return nodes.filter((name) => name === 'attic' || name === 'kitchen').join(' ');
  };
  await value.getByRole('button').click();
  await until(async () => (await order()) === 'attic kitchen', 'ascending');
  assert.equal(await value.getAttribute('aria-sort'), 'ascending');
  await value.getByRole('button').click();
  await until(async () => (await order()) === 'kitchen attic', 'descending');
  assert.equal(await value.getAttribute('aria-sort'), 'descending');
  assert.match(page.url(), /sort=-value/);
});

onPage('keyboard_reaches_the_drop_down_and_filters', '#/readings', {}, async (page) => {
  await row(page, 'attic', 'system:cpu_temp').waitFor();
  const focused = () => page.evaluate(() => document.activeElement?.tagName);
  for (let i = 0; i < 20 && (await focused()) !== 'SELECT'; i++) await page.keyboard.press('Tab');
  assert.equal(await focused(), 'SELECT');
  await page.keyboard.type('kitchen');
  await page.keyboard.press('Enter');
  await row(page, 'attic', 'system:cpu_temp').waitFor({ state: 'detached' });
  assert.match(page.url(), /node=kitchen/);
});

for (const view of ['overview', 'readings', 'observations', 'memories', 'events']) {
  onPage(`phone_shows_${view}_without_sideways_scrolling`, `#/${view}`, { viewport: PHONE }, async (page) => {
    await page.locator('main .list-head').first().waitFor();
    if (view !== 'events') await page.getByText('kitchen').filter({ visible: true }).first().waitFor();
    assert.equal(await sideways(page), 0);
    await page.getByLabel('Node', { exact: true }).waitFor();
  });
}

onPage('real_agent_shows_this_machines_values', '#/readings?node=this-machine', {}, async (page) => {
  const agent = await stack.startAgent('this-machine');
  await has(row(page, 'this-machine', 'system:mem_percent'), '%');
  await page.goto(`${stack.url}#/overview`);
  await page.locator('.card[data-node="this-machine"]', { hasText: 'online' }).waitFor();
  assert.deepEqual(await agent.stop(), []);
  const card = page.locator('.card[data-node="this-machine"]');
  await card.filter({ hasText: 'unreachable' }).waitFor();
  await card.filter({ hasText: 'stopped' }).waitFor();
  assert(await card.evaluate((element) => element.classList.contains('old')), 'its values are marked as old');
  await page.goto(`${stack.url}#/events`);
  await page.locator('.event[data-node="this-machine"]', { hasText: 'unreachable' }).first().waitFor();
});

// Last, as it takes llamad away.
onPage(
  'killed_llamad_is_announced_and_the_page_recovers',
  '#/readings',
  { viewport: DESKTOP },
  async (page) => {
    await row(page, 'kitchen', 'system:cpu_temp').waitFor();
    await stack.llamad.kill();
    const banner = page.getByRole('alert');
    await banner.filter({ hasText: /Connection lost.*polling.*retry in \d+ s/s }).waitFor();
    await page.getByRole('status').getByText('Connection lost').waitFor();
    await page.locator('main.outdated').waitFor();
    assert.equal(await row(page, 'kitchen', 'system:cpu_temp').count(), 1, 'the last values are still there');
    await stack.restartLlamad();
    kitchen.readings({ 'system:cpu_temp': { value: 47.125, unit: 'celsius' } });
    kitchen.heartbeat();
    await live(page);
    await banner.waitFor({ state: 'detached' });
    await has(row(page, 'kitchen', 'system:cpu_temp'), '47.125');
    await until(async () => (await page.locator('main.outdated').count()) === 0, 'values are current again');
  },
);
