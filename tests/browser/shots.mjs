// Pictures of every view at desktop and phone width, light and dark: node shots.mjs [URL] [FOLDER]
// Without a URL they are taken from the mock.
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startMock } from '../../web/dev/mock.mjs';
import { DESKTOP, PHONE, launchBrowser, openPage, live, sideways } from './browser.mjs';

const folder = process.argv[3] ?? join(dirname(fileURLToPath(import.meta.url)), 'shots');
const mock = process.argv[2] ? null : await startMock();
const base = process.argv[2] ?? mock.url;
mkdirSync(folder, { recursive: true });
const browser = await launchBrowser();
try {
  for (const [size, viewport] of [
    ['1280', DESKTOP],
    ['390', PHONE],
  ]) {
    for (const colorScheme of ['light', 'dark']) {
      const { page, context } = await openPage(browser, base, { viewport, colorScheme });
      await live(page);
      for (const view of ['overview', 'readings', 'observations', 'memories', 'events']) {
        await page.evaluate((hash) => {
          location.hash = hash;
        }, `#/${view}`);
        await page.waitForTimeout(400);
        const path = join(folder, `${view}-${size}-${colorScheme}.png`);
        await page.screenshot({ path, fullPage: view === 'overview' });
        console.log(`${path}  (sideways: ${await sideways(page)} px)`);
      }
      if (mock !== null) {
        await fetch(`${base}mock/broker?down=1`, { method: 'POST' });
        await page.evaluate(() => {
          location.hash = '#/overview';
        });
        await page.waitForTimeout(400);
        await page.screenshot({ path: join(folder, `broker-down-${size}-${colorScheme}.png`) });
        await fetch(`${base}mock/broker?down=0`, { method: 'POST' });
      }
      await context.close();
    }
  }
} finally {
  await browser.close();
  await mock?.close();
}
