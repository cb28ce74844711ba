// What the palette finds: views, nodes and sources by their names. Pure.
import { nodesByNeed, sourceLabel, words } from './select';
import type { Model } from './state';

/** Of each kind: more than that is not looked through, but narrowed by another letter. */
const MOST = 8;

/** Each source once, whatever the number of nodes that have it, with the name that one of them gives to it. */
export function sourceNames(model: Model): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const own of model.readings.values())
    for (const [fullId, reading] of own) if (!names.get(fullId)) names.set(fullId, sourceLabel(reading));
  return names;
}

/** The nodes by name, type or state; broken ones first. */
export function nodeTexts(model: Model): ReadonlyMap<string, string> {
  return new Map(nodesByNeed(model, null).map((node) => [node.name, `${node.type ?? ''} ${node.status}`]));
}

/** The first names that match all words, those that begin with the query before the others. */
export function find(query: string, texts: ReadonlyMap<string, string>): string[] {
  const wanted = words(query);
  const start = wanted.join(' ');
  const beginning: string[] = [];
  const others: string[] = [];
  for (const [name, more] of texts) {
    const low = name.toLowerCase();
    if (low.startsWith(start)) beginning.push(name);
    else if (others.length < MOST) {
      const all = `${low}\n${more.toLowerCase()}`;
      if (wanted.every((word) => all.includes(word))) others.push(name);
    }
    if (beginning.length === MOST) break;
  }
  return [...beginning, ...others].slice(0, MOST);
}
