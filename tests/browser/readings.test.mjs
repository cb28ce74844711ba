// Readings and their comparison against the real llamad: filters, flashes, outliers, copies.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { launchBrowser, live, openPage } from './browser.mjs';
import { FakeAgent } from './fake-agent.mjs';
import { Stack } from './support.mjs';

let stack;
let browser;
const agents = new Map();
const open = [];

before(async () => {
  stack = await Stack.start();
  browser = await launchBrowser();
  for (const [name, temp] of [
    ['pi-1', 41],
    ['pi-2', 42.5],
    ['pi-3', 43],
    ['pi-4', 40.25],
    ['pi-10', 88],
  ])
    agents.set(
      name,
      new FakeAgent(stack, name).online().readings({
        'system:cpu_temp': { value: temp, unit: 'celsius' },
        'gpio:17': { value: temp > 42 ? 1 : 0, unit: 'boolean' },
      }),
    );
  const awkward =
    '{"timestamp":"2026-11-23T08:00:00","readings":[' +
    '{"full_id":"x:big","value":90071992547409931234,"unit":null,"timestamp":"2026-11-23T08:00:00","metadata":null},' +
    '{"full_id":"x:formula","value":"=HYPERLINK(\\"http://x\\",\\"y\\")","unit":"<b>","timestamp":"2026-11-23T08:00:00","metadata":null},' +
    '{"full_id":"x:<img src=q onerror=alert(1)>","value":{"a":[1,null,"\\u202e"]},"unit":null,"timestamp":"2026-11-23T08:00:00","metadata":null}]}';
  new FakeAgent(stack, 'odd, "one"').online().report('readings', awkward).heartbeat();
  for (const agent of agents.values()) agent.heartbeat();
});

afterEach(async () => {
  await Promise.all(open.splice(0).map((context) => context.close()));
});

after(async () => {
  await browser?.close();
  await stack?.stop();
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

const row = (page, node, source) => page.locator(`tr[data-node="${node}"][data-source="${source}"]`);
const rows = (page) => page.locator('tbody tr:not(.space)');

async function saved(page, kind) {
  await page.locator('summary', { hasText: 'Export' }).click();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: `Save as ${kind}` }).click(),
  ]);
  assert.match(download.suggestedFilename(), new RegExp(`^smollama-\\w+-[\\dT-]+\\.${kind.toLowerCase()}$`));
  return readFileSync(await download.path(), 'utf8');
}

onPage('value_that_changes_over_mqtt_flashes', '#/readings?node=pi-1', async (page) => {
  await row(page, 'pi-1', 'system:cpu_temp').waitFor();
  assert.equal(await page.locator('[class^="flash"]').count(), 0);
  agents.get('pi-1').readings({
    'system:cpu_temp': { value: 41.5, unit: 'celsius' },
    'gpio:17': { value: 0, unit: 'boolean' },
  });
  await page.locator('a[class^="flash"]', { hasText: '41.5' }).waitFor();
  assert.equal(await page.locator('[class^="flash"]').count(), 1, 'only what changed');
});

onPage('filters_are_in_the_address_and_go_back_and_forward', '#/readings', async (page) => {
  await row(page, 'pi-10', 'gpio:17').waitFor();
  await page.getByLabel('Filter by type').selectOption('gpio');
  await row(page, 'pi-10', 'system:cpu_temp').waitFor({ state: 'detached' });
  assert.equal(new URL(page.url()).hash, '#/readings?type=gpio');
  await page.getByText('of 13', { exact: true }).waitFor();
  await page.goBack();
  await row(page, 'pi-10', 'system:cpu_temp').waitFor();
  await page.goForward();
  await row(page, 'pi-10', 'system:cpu_temp').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Lift the filter by type' }).click();
  await row(page, 'pi-10', 'system:cpu_temp').waitFor();
});

onPage('what_matches_nothing_is_named_and_lifted', '#/readings?type=gpio&q=nosuch', async (page) => {
  await page.getByText('No readings match “nosuch” and “gpio”.').waitFor();
  await page.getByRole('link', { name: 'Show all readings' }).click();
  await row(page, 'pi-1', 'gpio:17').waitFor();
});

onPage('reading_leads_to_its_node_by_keyboard', '#/readings?node=pi-1&type=gpio', async (page) => {
  await row(page, 'pi-1', 'gpio:17').getByRole('link', { name: 'gpio:17' }).focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => location.hash === '#/node?node=pi-1&source=gpio%3A17');
});

onPage('all_sources_stand_side_by_side', '#/readings', async (page) => {
  await page.getByRole('link', { name: 'Compare' }).click();
  const temp = page.locator('tr[data-source="system:cpu_temp"]');
  await temp.filter({ hasText: /88\s*°C/ }).waitFor();
  await page.locator('tr[data-source="gpio:17"]', { hasText: /off: 2, on: 3|on: 3, off: 2/ }).waitFor();
  await temp.getByRole('link').click();
  await page.locator('.sum', { hasText: 'median' }).waitFor();
  assert.match(page.url(), /#\/compare\?source=system%3Acpu_temp&unit=%C2%B0C$/);
});

onPage('node_far_from_the_others_is_marked_in_words', '#/compare?source=system%3Acpu_temp', async (page) => {
  await page.locator('.sum', { hasText: /1 stands out:\s*pi-10\s*▲ high/ }).waitFor();
  await page.locator('tr[data-node="pi-10"]', { hasText: '▲ high' }).waitFor();
  assert.equal(await page.locator('tbody .badge').count(), 1);
  assert.deepEqual(
    await rows(page).evaluateAll((all) => all.map((one) => one.dataset.node)),
    ['pi-1', 'pi-2', 'pi-3', 'pi-4', 'pi-10'],
  );
});

onPage('table_is_saved_as_it_is_filtered_and_sorted', '#/readings?type=system&sort=-value', async (page) => {
  await row(page, 'pi-10', 'system:cpu_temp').waitFor();
  const lines = (await saved(page, 'CSV')).split('\r\n');
  assert.equal(lines[0], 'node,state,source,value,unit,at');
  assert.match(lines[1], /^pi-10,online,system:cpu_temp,88,celsius,2\d{3}-.*Z$/);
  assert.equal(lines.length, 7);
  await page.getByText('Saved 5 rows').first().waitFor();
});

onPage('awkward_values_are_saved_whole_and_harmless', '#/readings?type=x', async (page) => {
  await rows(page).first().waitFor();
  const text = await saved(page, 'JSON');
  assert.ok(text.includes('"value": 90071992547409931234'), 'all digits');
  const found = Object.fromEntries(JSON.parse(text).map(({ node, source, value }) => [source, [node, value]]));
  assert.deepEqual(found['x:formula'], ['odd, "one"', '=HYPERLINK("http://x","y")']);
  assert.deepEqual(found['x:<img src=q onerror=alert(1)>'][1], { a: [1, null, '\u202e'] });
  await page.locator('summary', { hasText: 'Saved' }).click();
  await page.keyboard.press('Escape');
  await page.locator('summary', { hasText: 'Export' }).waitFor();
  const csv = await saved(page, 'CSV');
  assert.ok(csv.includes('"odd, ""one""",online,x:formula,"\'=HYPERLINK(""http://x"",""y"")",<b>,'), csv);
  assert.ok(csv.includes(',x:big,90071992547409931234,'), csv);
});

onPage('table_is_copied_where_there_is_no_clipboard_api', '#/readings?type=gpio', async (page) => {
  await row(page, 'pi-1', 'gpio:17').waitFor();
  await page.evaluate(() => {
    Object.defineProperty(navigator, 'clipboard', { value: undefined });
    addEventListener('copy', (event) => (window.copied = event.clipboardData.getData('text/plain')));
  });
  await page.locator('summary', { hasText: 'Export' }).focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByText('Copied 5 rows').first().waitFor();
  const copied = await page.evaluate(() => window.copied);
  assert.equal(copied.split('\r\n').length, 7);
  assert.match(copied, /pi-10,online,gpio:17,1,boolean,/);
});
