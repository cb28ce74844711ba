// The switch between the system's theme, light and dark; theme.ts obeys it.
import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { recall, remember } from '../prefs';

const THEMES = { '': 'System', light: 'Light', dark: 'Dark' };

export function ThemeSwitch(): JSX.Element {
  const [chosen, setChosen] = useState(recall('theme') ?? '');
  const choose = (theme: string): void => {
    setChosen(theme);
    remember('theme', theme || null);
    dispatchEvent(new CustomEvent('theme', { detail: theme }));
  };
  return (
    <fieldset class="choices">
      <legend>Theme</legend>
      {Object.entries(THEMES).map(([theme, name]) => (
        <label key={theme}>
          <input type="radio" name="theme" checked={chosen === theme} onChange={() => choose(theme)} />
          {name}
        </label>
      ))}
    </fieldset>
  );
}
