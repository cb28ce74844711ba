// The keys that work everywhere, and the dialogs that they open.
import { signal } from '@preact/signals';
import { recall, remember } from './prefs';
import type { View } from './route';
import { addressOf, visit } from './store';

type Which = 'palette' | 'help';
export const opened = signal<Which | null>(null);

/** A dialog says that it is closed a moment after it is: another may be open by then. */
export function closed(which: Which): void {
  if (opened.value === which) opened.value = null;
}

/** Who speaks to the computer presses letters without wanting to: keys without Ctrl can be switched off. */
export const letters = signal(recall('letters') !== 'off');

export function switchLetters(on: boolean): void {
  letters.value = on;
  remember('letters', on ? null : 'off');
}

/** After a g: where the next letter leads. */
export const JUMPS = new Map<string, View>([
  ['o', 'overview'],
  ['r', 'readings'],
  ['c', 'compare'],
  ['b', 'observations'],
  ['m', 'memories'],
  ['e', 'events'],
]);
const JUMP_MS = 1500;
let jumpUntil = 0;

export function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing || event.altKey) return;
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey) {
    if (key !== 'k' || event.shiftKey || opened.value === 'help') return;
    opened.value = 'palette';
    return event.preventDefault();
  }
  const typing = event.target instanceof Element && event.target.closest('input, select, textarea, dialog');
  if (!letters.value || typing) return;
  const view = event.timeStamp < jumpUntil ? JUMPS.get(key) : undefined;
  jumpUntil = key === 'g' ? event.timeStamp + JUMP_MS : 0;
  if (view !== undefined) visit(addressOf(view));
  else if (key === '?') opened.value = 'help';
  else if (key === '/') {
    const field = document.querySelector<HTMLInputElement>('main input[type=search]');
    if (field === null) return;
    field.focus();
    field.select();
    event.preventDefault();
  }
}
