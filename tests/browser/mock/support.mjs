// What the tests against the mock share: one browser for a file, and for each test a mock and a profile of its own.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { startMock } from '../../../web/dev/mock.mjs';
import { launchBrowser, live, openPage } from '../browser.mjs';

let browser;
let mock;
let context;

before(async () => {
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
});

afterEach(async () => {
  await context?.close();
  await mock?.close();
});

/**
 * A mock that stands still unless `options.mock` says otherwise, and an empty page. `prepare` gets the mock's cluster;
 * the others are those of openPage.
 */
export async function openBlank({ mock: of = {}, prepare, ...options } = {}) {
  mock = await startMock({ still: true, ...of });
  prepare?.(mock.cluster);
  const opened = await openPage(browser, 'about:blank', options);
  context = opened.context;
  return opened;
}

/** Of the dashboard of this test's mock. */
export const address = (hash = '') => mock.url + hash;

/** The same with the dashboard at `hash`, live. */
export async function openMock(hash = '', options = {}) {
  const opened = await openBlank(options);
  await opened.page.goto(address(hash));
  await live(opened.page);
  return opened;
}

/** A test of the page at `hash`; nothing may go wrong in it. */
export function onMock(name, hash, options, run) {
  test(name, { timeout: 60_000 }, async () => {
    const opened = await openMock(hash, options);
    await run(opened.page, opened);
    assert.deepEqual(await opened.wrong(), []);
  });
}

/** Has the mock do something: see `control` in mock.mjs. */
export const tell = (what) => fetch(`${mock.url}mock/${what}`, { method: 'POST' });

export const row = (page, node, source) => page.locator(`tr[data-node="${node}"][data-source="${source}"]`);
