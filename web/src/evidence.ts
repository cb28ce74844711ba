// What a node's state rests on, in words: from llamad's answer about one node to lines in the order in which they
// weigh. Pure. The envelope is llamad's; errors, names and addresses in it are texts of peers.
import { asText, duration, parseTime } from './format';
import { compareNames } from './select';

type Fields = Readonly<Record<string, unknown>>;

/** The answer of `nodes/NAME`. */
export type Detail = Fields;

export interface Evidence {
  title: string;
  /** null: it says nothing, neither good nor bad. */
  good: boolean | null;
  text: string;
  /** When that was. */
  at?: string | null;
}

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

function list(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(fields) : [];
}

const time = (value: unknown): string | null => (typeof value === 'string' ? value : null);

const every = (seconds: unknown): string =>
  typeof seconds === 'number' && seconds > 0 ? `every ${duration(seconds * 1000)}` : '';

const join = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join(', ');

export function evidence(detail: Detail): Evidence[] {
  const own = fields(detail['evidence']);
  const agent = fields(own['agent']);
  const edge = fields(own['edge']);
  const nowMs = parseTime(time(detail['timestamp'])) ?? 0;
  const heard = !!agent['ever'];
  const isEdge = !!edge['ever'];
  return [
    ...(isEdge ? [message(edge, nowMs)] : []),
    ...(isEdge && !heard ? [] : [heartbeat(agent, nowMs), presence(agent)]),
    probe(own),
    clock(detail, !!own['clock_skewed']),
    ...(isEdge && !heard ? [] : [source(fields(own['source']))]),
    ...snapshots(detail, own),
    ...list(own['sightings']).map(sighting),
    ...sessions(detail, !!agent['duplicate']),
    ...rejects(detail),
  ];
}

/** Heard within three of its intervals: what the verdict says is decided by llamad, this only marks the line. */
function recent(at: unknown, intervalS: unknown, nowMs: number): boolean | null {
  const ms = parseTime(time(at));
  if (ms === null || typeof intervalS !== 'number') return null;
  return nowMs - ms < 3000 * intervalS;
}

function message(edge: Fields, nowMs: number): Evidence {
  const at = edge['message_at'];
  return {
    title: 'Messages',
    good: recent(at, edge['interval_s'], nowMs),
    text: join('last one heard', every(edge['interval_s'])),
    at: time(at),
  };
}

function heartbeat(agent: Fields, nowMs: number): Evidence {
  if (!agent['ever']) return { title: 'Heartbeat', good: null, text: 'none was ever heard' };
  const at = agent['heartbeat_at'];
  return {
    title: 'Heartbeat',
    good: recent(at, agent['interval_s'], nowMs),
    text: join('last one heard', every(agent['interval_s'])),
    at: time(at),
  };
}

function presence(agent: Fields): Evidence {
  const words: Readonly<Record<string, string>> = {
    online: 'the agent says it is online',
    will: 'the broker lost the agent (last will)',
    stopped: 'the agent was stopped in order',
  };
  const said = asText(agent['presence']);
  return {
    title: 'Status',
    good: said === '' ? null : said === 'online',
    text: join(words[said] ?? 'the agent never said', agent['presence_replayed'] ? 'as the broker had kept it' : ''),
    at: time(agent['presence_at']),
  };
}

function probe(own: Fields): Evidence {
  const it = fields(own['probe']);
  const title = 'HTTP';
  const asking = it['pending'] ? 'asking now' : '';
  const error = asText(it['error']);
  const failures = Number(it['failures']);
  switch (it['outcome']) {
    case 'ok':
      return { title, good: true, text: join('it answered', asking), at: time(it['at']) };
    case 'unusable':
      return { title, good: false, text: join('it answers, but not usably', error, asking), at: time(it['at']) };
    case 'failed':
      return {
        title,
        good: false,
        text: join(error || 'no answer', failures > 1 ? `${failures} times in a row` : '', asking),
        at: time(it['at']),
      };
  }
  return { title, good: null, text: own['has_url'] ? asking || 'not asked, no need to' : 'no address to ask' };
}

function clock(detail: Detail, skewed: boolean): Evidence {
  const skew = detail['clock_skew_s'];
  if (typeof skew !== 'number') return { title: 'Clock', good: null, text: 'nothing tells what it shows' };
  const text =
    Math.abs(skew) < 1 ? 'agrees with ours' : `${duration(skew * 1000)} ${skew > 0 ? 'ahead of' : 'behind'} ours`;
  return { title: 'Clock', good: !skewed, text };
}

function source(it: Fields): Evidence {
  if (!it['known']) return { title: 'Smollama', good: null, text: 'the agent has not said how it is' };
  const text = it['ok']
    ? 'the agent can read it'
    : join(it['answers'] ? 'it answers, with an error' : 'the agent cannot reach it', asText(it['error']));
  return { title: 'Smollama', good: !!it['ok'], text, at: time(it['since']) };
}

const ORIGINS: ReadonlyMap<string, string> = new Map([
  ['agent', 'sent by its agent'],
  ['poll', 'fetched over HTTP'],
  ['edge', 'sent by the node'],
  ['master', 'told by another llama'],
]);

function snapshots(detail: Detail, own: Fields): Evidence[] {
  const kept = fields(detail['snapshots']);
  return Object.entries(fields(own['snapshots'])).map(([kind, value]) => {
    const it = fields(value);
    const title = kind[0]!.toUpperCase() + kind.slice(1);
    const origin = asText(fields(kept[kind])['origin']);
    const error = asText(it['error']);
    const fetches = Number(it['error_fetches']);
    const frozen = kind === 'readings' && own['frozen'] ? `frozen: ${asText(own['frozen_detail'])}` : '';
    const text = join(
      it['present'] ? join(ORIGINS.get(origin) ?? origin, every(it['interval_s'])) : 'none came',
      error && `${error}${fetches > 1 ? ` (${fetches} times in a row)` : ''}`,
      frozen,
    );
    const good = error !== '' || frozen !== '' ? false : it['present'] ? true : null;
    return { title, good, text, at: time(it['age_from']) };
  });
}

function sighting(it: Fields): Evidence {
  const use = it['used'] ? 'this address is used' : it['allowed'] ? 'not used' : 'must not be asked';
  return {
    title: 'Seen by mDNS',
    good: it['allowed'] ? true : null,
    text: join(asText(it['url']), asText(it['instance']), use),
    at: time(it['seen']),
  };
}

function sessions(detail: Detail, duplicate: boolean): Evidence[] {
  const current = Array.isArray(detail['sessions']) ? asText(detail['sessions'][0]) : '';
  const title = 'Session';
  return [
    ...(current === '' ? [] : [{ title, good: !duplicate, text: join(current, duplicate ? 'two agents take turns' : '') }]),
    ...list(detail['superseded']).map((it) => ({
      title: 'Earlier session',
      good: null,
      text: join(asText(it['session']), asText(it['url'])),
      at: time(it['heard_at']),
    })),
  ];
}

function rejects(detail: Detail): Evidence[] {
  const counted = Object.entries(fields(detail['rejects'])).sort(([a], [b]) => compareNames(a, b));
  if (counted.length === 0) return [];
  const text = counted.map(([reason, times]) => `${reason.replace(/_/g, ' ')}: ${asText(times)}`);
  return [{ title: 'Refused', good: false, text: join(...text, asText(detail['last_reject'])) }];
}
