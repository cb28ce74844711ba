// A field to jump from: a node, a source or a view by a few letters of its name.
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { JUMPS, closed } from '../keys';
import { find, nodeTexts, sourceNames } from '../palette';
import { linkTo } from '../route';
import type { View } from '../route';
import { addressOf, model, visit } from '../store';
import { Dialog } from './dialog';
import { State } from './state';
import { Text } from './text';

interface Hit {
  kind: 'view' | 'node' | 'source';
  name: string;
  address: string;
}

const VIEWS = new Map([...JUMPS.values()].map((view) => [view as string, '']));

function hitsOf(query: string, nodes: ReadonlyMap<string, string>, sources: ReadonlyMap<string, string>): Hit[] {
  const hits = (kind: Hit['kind'], names: string[], address: (name: string) => string): Hit[] =>
    names.map((name) => ({ kind, name, address: address(name) }));
  return [
    ...hits('view', find(query, VIEWS), (name) => addressOf(name as View)),
    ...hits('node', find(query, nodes), (node) => linkTo('node', { node })),
    ...hits('source', query.trim() ? find(query, sources) : [], (source) => linkTo('compare', { filters: { source } })),
  ];
}

export function Palette(): JSX.Element {
  const [query, setQuery] = useState('');
  const [chosen, setChosen] = useState(0);
  const list = useRef<HTMLUListElement>(null);
  const { shape, nodes } = model.value;
  const sources = useMemo(() => sourceNames(model.peek()), [shape]);
  const texts = useMemo(() => nodeTexts(model.peek()), [query, nodes.size]);
  const hits = useMemo(() => hitsOf(query, texts, sources), [query, texts, sources]);
  const at = Math.min(chosen, hits.length - 1);

  useLayoutEffect(() => list.current?.children[at]?.scrollIntoView({ block: 'nearest' }), [at, hits]);

  const go = (hit: Hit | undefined): void => {
    if (hit === undefined) return;
    list.current?.closest('dialog')?.close();
    visit(hit.address);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) setChosen((at + step + hits.length) % Math.max(1, hits.length));
    else if (event.key === 'Enter') go(hits[at]);
    else return;
    event.preventDefault();
  };
  return (
    <Dialog title="Jump to" class="palette" onClose={() => closed('palette')}>
      <input
        role="combobox"
        aria-label="Node, source or view"
        aria-expanded="true"
        aria-controls="hits"
        aria-autocomplete="list"
        aria-activedescendant={at < 0 ? undefined : `hit-${at}`}
        placeholder="Jump to a node, a source, a view…"
        autocomplete="off"
        spellcheck={false}
        value={query}
        onInput={(event) => {
          setQuery(event.currentTarget.value);
          setChosen(0);
        }}
        onKeyDown={onKeyDown}
      />
      <ul id="hits" ref={list} role="listbox" aria-label="Found">
        {hits.map((hit, index) => (
          <li
            key={`${hit.kind} ${hit.name}`}
            id={`hit-${index}`}
            role="option"
            aria-selected={index === at}
            onClick={() => go(hit)}
          >
            <span class="name">
              <Text value={hit.name} />
            </span>
            {hit.kind === 'node' && <State status={nodes.get(hit.name)?.status ?? 'unknown'} />}
            {hit.kind === 'source' && <span class="muted"><Text value={sources.get(hit.name)} /></span>}
            <span class="muted">{hit.kind}</span>
          </li>
        ))}
      </ul>
      <p role="status" class="none">
        {hits.length === 0 && 'Nothing of that name.'}
      </p>
    </Dialog>
  );
}
