// Questions about observations and memories: which one a view asks, how it is put to llamad and to the nodes
// themselves, and what their answers say in words. Pure.
import { listOf } from './feed';
import type { Route } from './route';
import { compareNames } from './select';
import type { Item, ItemFilter, ItemKind } from './select';
import { MAX_ITEMS, POLLED_ITEMS } from './state';

export interface Question extends ItemFilter {
  kind: ItemKind;
  type: string;
  /** The last so many hours; 0: whenever. */
  hours: number;
}

/** So many more are asked for at a time, and so many in all: the page must hold them beside the live ones. */
export const STEP = POLLED_ITEMS;
export const MOST = MAX_ITEMS - 1000;

export function questionOf(kind: ItemKind, { node, query, filters }: Route): Question {
  const hours = Number(filters.hours);
  return {
    kind,
    node,
    query: query.trim(),
    type: (kind === 'observations' && filters.type) || '',
    hours: hours > 0 && hours < 1e6 ? hours : 0,
  };
}

/** Is the question answered by what every page is sent anyway? */
export function isPlain({ node, query, type, hours }: Question): boolean {
  return node === null && query === '' && type === '' && hours === 0;
}

/**
 * llamad looks for one piece of text, and knows the case of ASCII letters only: it is asked for the longest
 * piece that finds all that the page's own search would, which then looks at the rest.
 */
export function searchedFor(query: string): string {
  const found = query.match(/[!-~\p{Lo}\p{N}]+/gu) ?? [];
  return found.reduce((best, piece) => (piece.length > best.length ? piece : best), '');
}

function path({ kind, node, type, hours }: Question, rest: Record<string, string>): string {
  const params = new URLSearchParams(rest);
  if (node !== null) params.set('node', node);
  if (kind === 'observations') {
    if (type !== '') params.set('obs_type', type);
    if (hours > 0) params.set('hours', String(hours));
  }
  return `${kind}?${params}`;
}

export function askPath(question: Question, limit: number): string {
  const query = searchedFor(question.query);
  return path(question, { limit: String(limit), ...(query && { query }) });
}

/** The nodes search by meaning: they get the words as they were typed. */
export function deepPath(question: Question): string {
  return path(question, { deep: '1', limit: String(STEP), query: question.query });
}

// ---- what the nodes said ----------------------------------------------------------------------------------

export interface Outcome {
  words: string;
  /** `ok`: it answered; `none`: it cannot be asked; `bad`: it should have answered. */
  kind: 'bad' | 'none' | 'ok';
  nodes: string[];
}

export interface Found {
  items: readonly Item[];
  outcomes: Outcome[];
  cut: boolean;
}

const WORDS: Readonly<Record<string, string>> = {
  ok: 'answered',
  off: 'keeps none',
  no_url: 'no address known',
  forbidden_address: 'address not allowed',
  timeout: 'no answer in time',
  dns: 'name not found',
  tls: 'TLS failed',
  bad_body: 'unreadable answer',
  wrong_node: 'another node answers there',
  busy: 'busy with another question',
  not_asked: 'time ran out',
};

export function outcomeWords(code: string): string {
  if (Object.prototype.hasOwnProperty.call(WORDS, code)) return WORDS[code]!;
  return code.replace(/^http_/, 'HTTP ').replace(/_/g, ' ');
}

const RANKS = ['bad', 'none', 'ok'] as const;
const CANNOT = ['off', 'no_url', 'forbidden_address'];

/** The nodes by how it went with them, problems first. */
export function outcomes(nodes: Readonly<Record<string, string>>): Outcome[] {
  const groups = new Map<string, Outcome>();
  for (const [name, code] of Object.entries(nodes)) {
    const words = outcomeWords(String(code));
    const kind = code === 'ok' ? 'ok' : CANNOT.includes(code) ? 'none' : 'bad';
    const group = groups.get(words) ?? { words, kind, nodes: [] };
    group.nodes.push(name);
    groups.set(words, group);
  }
  for (const group of groups.values()) group.nodes.sort(compareNames);
  return [...groups.values()].sort(
    (a, b) => RANKS.indexOf(a.kind) - RANKS.indexOf(b.kind) || b.nodes.length - a.nodes.length,
  );
}

/** Throws when the answer has no items. */
export function readFound(answer: unknown, kind: ItemKind): Found {
  const items = listOf<Item>(answer, kind);
  const { nodes = {}, cut } = answer as { nodes?: Record<string, string>; cut?: boolean };
  return { items, outcomes: outcomes(nodes), cut: cut === true };
}
