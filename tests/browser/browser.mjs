// Debian's chromium with a fresh profile, talking to nobody but the page.
import { chromium } from 'playwright-core';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
];

export const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844 };

export function launchBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: FLAGS,
  });
}

/**
 * Opens the dashboard in a profile of its own and collects what must not happen: script errors, dialogs,
 * violations of the Content-Security-Policy. `wrong()` lists them. A refused connection is no error of the
 * page: losing llamad is tested.
 */
export async function openPage(browser, url, { viewport = DESKTOP, colorScheme = 'light' } = {}) {
  const context = await browser.newContext({ viewport, colorScheme });
  const page = await context.newPage();
  const seen = [];
  page.on('pageerror', (error) => seen.push(`script error: ${error.message}`));
  page.on('dialog', (dialog) => {
    seen.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('console', (message) => {
    if (message.type() !== 'error') return;
    if (/net::ERR_(CONNECTION|EMPTY_RESPONSE|SOCKET)|WebSocket connection to/.test(message.text())) return;
    seen.push(`console: ${message.text()}`);
  });
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) =>
      window.violations.push(event.violatedDirective),
    );
  });
  await page.goto(url);
  const wrong = async () => [
    ...seen,
    ...(await page.evaluate(() => window.violations)).map((v) => `CSP: ${v}`),
  ];
  return { page, context, wrong };
}

/** Waits until the page says that it is live. */
export async function live(page) {
  await page.getByRole('status').getByText('Live', { exact: true }).waitFor();
}

/** How far the page can be scrolled sideways, in pixels. */
export function sideways(page) {
  return page.evaluate(() => {
    window.scrollTo(10_000, window.scrollY);
    const moved = window.scrollX;
    window.scrollTo(0, window.scrollY);
    return moved;
  });
}
