// Pictures of every view, dialog and main state at desktop and phone width, light and dark:
//   node shots.mjs [FOLDER] [NAME …]     names: those printed, such as readings or help; all without
// From the mock, so that everything a node can be is in them. Says what can be scrolled sideways.
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startMock } from '../../web/dev/mock.mjs';
import { DESKTOP, PHONE, launchBrowser, live, openPage, sideways } from './browser.mjs';

const folder = process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), 'shots');
const wanted = process.argv.slice(3);

const alert = (page, text) => page.getByRole('alert').filter({ hasText: text }).waitFor();
const title = (page, text) => page.getByRole('heading', { name: text }).waitFor();

/** By name: where, and what to do there. `tell` talks to the mock. */
const SHOTS = {
  overview: ['#/overview'],
  readings: ['#/readings'],
  compare: ['#/compare?source=system%3Acpu_temp'],
  observations: ['#/observations'],
  memories: ['#/memories'],
  events: ['#/events'],
  node: ['#/node?node=kitchen'],
  'node-broken': ['#/node?node=workshop'],
  palette: ['#/overview', (page) => page.keyboard.press('Control+k')],
  help: ['#/overview', (page) => page.keyboard.press('?')],
  nothing: ['#/readings?q=nothing-like-this'],
  'broker-down': ['#/overview', (page, tell) => tell('broker?down=1').then(() => alert(page, 'Broker down'))],
  lost: ['#/readings', (page, tell) => tell('down?ms=600000').then(() => alert(page, 'Connection lost'))],
  refused: ['#/overview', (page, tell) => tell('refuse?status=401').then(() => title(page, 'Sign in'))],
  empty: ['#/overview', (page, tell) => tell('clear').then(() => title(page, 'No node'))],
};

async function shoot(browser, name, size, viewport, colorScheme) {
  const [hash, act] = SHOTS[name];
  const mock = await startMock({ still: true });
  const { page, context } = await openPage(browser, mock.url + hash, { viewport, colorScheme });
  try {
    await live(page);
    await act?.(page, (what) => fetch(`${mock.url}mock/${what}`, { method: 'POST' }));
    // Charts and sparklines come a moment later.
    await page.waitForLoadState('networkidle');
    await page.waitForTimeout(300);
    const path = join(folder, `${name}-${size}-${colorScheme}.png`);
    await page.screenshot({ path });
    console.log(`${path}  (sideways: ${await sideways(page)} px)`);
  } finally {
    await context.close();
    await mock.close();
  }
}

mkdirSync(folder, { recursive: true });
const browser = await launchBrowser();
try {
  for (const name of wanted.length > 0 ? wanted : Object.keys(SHOTS)) {
    for (const [size, viewport] of [
      ['1280', DESKTOP],
      ['390', PHONE],
    ]) {
      for (const colorScheme of ['light', 'dark']) await shoot(browser, name, size, viewport, colorScheme);
    }
  }
} finally {
  await browser.close();
}
