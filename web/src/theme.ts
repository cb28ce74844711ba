// Light or dark, decided before anything is painted: all that login.html waits for, and part of head.js, which
// index.html waits for. The page tells of a choice by the event `theme` (its detail: 'light', 'dark' or null for the
// system's), other tabs by what they store.

/** As in prefs.ts. */
const KEY = 'smollama-cluster.theme';
/** --surface of tokens.css: what a phone paints its own bar with. */
const BARS = { light: '#ffffff', dark: '#161b22' };

const root = document.documentElement;
const system = matchMedia('(prefers-color-scheme: dark)');
let choice: string | null = null;
try {
  choice = localStorage.getItem(KEY);
} catch {
  // Nothing is remembered then.
}

function apply(): void {
  const theme = choice === 'light' || choice === 'dark' ? choice : system.matches ? 'dark' : 'light';
  root.dataset['theme'] = theme;
  root.style.colorScheme = theme;
  document.querySelector<HTMLMetaElement>('meta[name=theme-color]')!.content = BARS[theme];
}

function choose(next: string | null): void {
  choice = next;
  apply();
}

apply();
system.addEventListener('change', apply);
addEventListener('theme', (event) => choose((event as CustomEvent<string | null>).detail));
addEventListener('storage', (event) => {
  if (event.key === KEY) choose(event.newValue);
});
