// What the keys do and the states mean, and the choices that belong to the reader rather than to a view.
import type { JSX } from 'preact';
import { JUMPS, closed, letters, switchLetters } from '../keys';
import type { NodeStatus } from '../wire';
import { Dialog } from './dialog';
import { State } from './state';
import { ThemeSwitch } from './theme';
import { You } from './you';

const KEYS: readonly (readonly [string, string])[] = [
  ['/', 'Search in this view'],
  ['Ctrl K', 'Jump to a node, a source or a view (⌘ K on a Mac)'],
  ['?', 'This help'],
  ['Esc', 'Close'],
  ...[...JUMPS].map(([key, view]) => [`g ${key}`, `Go to ${view}`] as const),
];

const STATES: Readonly<Record<NodeStatus, string>> = {
  online: 'Alive, and nothing on it is known to be broken.',
  degraded: 'Alive, but something on it is broken: the reason stands beside it.',
  stale: 'Late. It is too early to call it gone; its values are old.',
  unreachable: 'Gone: its values are the last ones it gave.',
  unknown: 'Nobody can tell: llamad has just started, or lost its only way to the node.',
};

export function Help(): JSX.Element {
  return (
    <Dialog title="Help and settings" class="help" onClose={() => closed('help')}>
      <form method="dialog">
        <h2>Help and settings</h2>
        <button class="button">Close</button>
      </form>
      <You />
      <ThemeSwitch />
      <fieldset class="choices">
        <legend>Keys</legend>
        <label>
          <input
            type="checkbox"
            checked={letters.value}
            onChange={(event) => switchLetters(event.currentTarget.checked)}
          />
          Single letters and signs
        </label>
      </fieldset>
      <dl class="keys">
        {KEYS.map(([key, does]) => (
          <div key={key}>
            <dt>
              {key.split(' ').map((one) => (
                <kbd key={one}>{one}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <h3>What the states mean</h3>
      <dl class="meanings">
        {Object.entries(STATES).map(([status, means]) => (
          <div key={status}>
            <dt>
              <State status={status} />
            </dt>
            <dd>{means}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
