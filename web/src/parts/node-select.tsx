// The drop-down "Node: All | …", obeyed by every view.
import type { JSX } from 'preact';
import { plain } from '../format';
import { LARGE, useLater } from './later';
import { chooseNode, chosen as chosenNode, names as allNames } from '../store';

/** Rendered when a node comes or goes or is chosen: a thousand options are not made with every change of the view. */
export function NodeSelect(): JSX.Element {
  const names = allNames.value;
  const chosen = chosenNode.value;
  const all = useLater(names.length > LARGE);
  // An address may name a node that is not there (any more): it stays visible what the page is filtered by.
  const missing = chosen !== null && !names.includes(chosen);
  return (
    <div class="node-select">
      <label for="node">Node</label>
      <select
        id="node"
        value={chosen ?? ''}
        onChange={(event) => chooseNode(event.currentTarget.value || null)}
      >
        <option value="" selected={chosen === null}>
          All
        </option>
        {missing && (
          <option value={chosen} selected>
            {plain(chosen)} (not here)
          </option>
        )}
        {(all ? names : names.filter((name) => name === chosen)).map((name) => (
          <option key={name} value={name} selected={name === chosen}>
            {plain(name)}
          </option>
        ))}
      </select>
    </div>
  );
}
