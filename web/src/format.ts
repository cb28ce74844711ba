// How things are written for people: pure functions from what a node sent to text. Nothing here trusts its
// input.
import { ExactNumber } from './json';

// ---- text -------------------------------------------------------------------------------------------------

/**
 * A piece of a text: shown as it is, or (`mark`) a sign for a character that would not show or would mislead.
 */
export interface Piece {
  text: string;
  mark?: string;
}

// Controls, C1, soft hyphen, Arabic letter mark, zero-width and bidi characters, separators, BOM, annotation
// signs, lone surrogates, tags. Not in it: zero-width (non-)joiner, which emoji and Persian need. With `u` a
// pair is one character.
const UNSAFE_SET =
  '\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f' +
  '\\ufeff\\ufff9-\\ufffb\\ud800-\\udfff\\u{e0000}-\\u{e007f}';
const UNSAFE = new RegExp(`[${UNSAFE_SET}]`, 'u');
const UNSAFE_ALL = new RegExp(`[${UNSAFE_SET}]`, 'gu');

/** The usual short names: not every font has the control pictures. */
const C0 = (
  'NUL SOH STX ETX EOT ENQ ACK BEL BS TAB LF VT FF CR SO SI ' +
  'DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US'
).split(' ');

const NAMES: Readonly<Record<number, string>> = {
  0x00: 'null',
  0x08: 'backspace',
  0x09: 'tab',
  0x0a: 'line feed',
  0x0d: 'carriage return',
  0x1b: 'escape',
  0x7f: 'delete',
  0x200b: 'zero-width space',
  0x200e: 'left-to-right mark',
  0x200f: 'right-to-left mark',
  0x202a: 'left-to-right embedding',
  0x202b: 'right-to-left embedding',
  0x202c: 'pop directional formatting',
  0x202d: 'left-to-right override',
  0x202e: 'right-to-left override',
  0x2066: 'left-to-right isolate',
  0x2067: 'right-to-left isolate',
  0x2068: 'first strong isolate',
  0x2069: 'pop directional isolate',
  0x2028: 'line separator',
  0x2029: 'paragraph separator',
  0xfeff: 'byte order mark',
};

/** The visible sign for one unsafe character: its short name, else its number. */
function sign(code: number): string {
  if (code === 0x7f) return 'DEL';
  return C0[code] ?? codePoint(code);
}

function codePoint(code: number): string {
  return `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
}

/**
 * Splits a text so that nothing in it can hide or reorder what is shown. `lines` keeps line breaks and tabs.
 */
export function pieces(text: string, lines = false): Piece[] {
  const source = lines ? text.replace(/\r\n?/g, '\n') : text;
  if (!UNSAFE.test(source)) return [{ text: source }];
  const result: Piece[] = [];
  let from = 0;
  for (const match of source.matchAll(UNSAFE_ALL)) {
    const char = match[0];
    if (lines && (char === '\n' || char === '\t')) continue;
    if (match.index! > from) result.push({ text: source.slice(from, match.index) });
    const code = char.codePointAt(0)!;
    const name = NAMES[code];
    result.push({ text: sign(code), mark: name ? `${name} (${codePoint(code)})` : codePoint(code) });
    from = match.index! + char.length;
  }
  if (from < source.length) result.push({ text: source.slice(from) });
  return result;
}

/** The same as one string, for attributes, options and titles. */
export function plain(text: string): string {
  return UNSAFE.test(text)
    ? text.replace(UNSAFE_ALL, (char) => (char === '\n' ? ' ' : `[${sign(char.codePointAt(0)!)}]`))
    : text;
}

/** Any field of an item as text: strings as they are, nothing as '', everything else as JSON. */
export function asText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return '';
  if (value instanceof ExactNumber) return value.source;
  return json(value);
}

/** Compact JSON; numbers that a double cannot hold keep their digits. */
export function json(value: unknown): string {
  if (value instanceof ExactNumber) return value.source;
  if (Array.isArray(value)) return `[${value.map(json).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    return `{${Object.entries(value)
      .map(([key, item]) => `${JSON.stringify(key)}: ${json(item)}`)
      .join(', ')}}`;
  }
  return JSON.stringify(value) ?? '';
}

// ---- values and units -------------------------------------------------------------------------------------

const UNITS: Readonly<Record<string, string>> = {
  celsius: '°C',
  fahrenheit: '°F',
  kelvin: 'K',
  percent: '%',
  hz: 'Hz',
  khz: 'kHz',
  mhz: 'MHz',
  ghz: 'GHz',
  bytes: 'B',
  kb: 'KB',
  mb: 'MB',
  gb: 'GB',
  tb: 'TB',
  volt: 'V',
  volts: 'V',
  amp: 'A',
  amps: 'A',
  watt: 'W',
  watts: 'W',
  kwh: 'kWh',
  pa: 'Pa',
  hpa: 'hPa',
  kpa: 'kPa',
  lux: 'lx',
  db: 'dB',
  dbm: 'dBm',
  meters: 'm',
  milliseconds: 'ms',
  seconds: 's',
  minutes: 'min',
  hours: 'h',
  degrees: '°',
  load: '',
  count: '',
  boolean: '',
};

/** The unit as people write it; unknown ones as the node wrote them. */
export function unit(raw: unknown): string {
  const text = asText(raw);
  const known = text.toLowerCase();
  return Object.prototype.hasOwnProperty.call(UNITS, known) ? UNITS[known]! : text;
}

export type ValueKind = 'number' | 'switch' | 'text' | 'none' | 'json';

export interface Shown {
  kind: ValueKind;
  text: string;
  /** Only for `switch`. */
  on?: boolean;
  unit: string;
  /** The value with all its digits, where `text` leaves some out. */
  exact?: string;
}

/** A reading's value, ready to be shown. */
export function shown(value: unknown, rawUnit: unknown): Shown {
  const label = unit(rawUnit);
  if (value === null || value === undefined) return { kind: 'none', text: 'no value', unit: '' };
  if (typeof value === 'boolean')
    return { kind: 'switch', on: value, text: value ? 'on' : 'off', unit: label, exact: String(value) };
  if (typeof value === 'number') {
    if (asText(rawUnit).toLowerCase() === 'boolean' && (value === 0 || value === 1)) {
      return {
        kind: 'switch',
        on: value === 1,
        text: value === 1 ? 'on' : 'off',
        unit: '',
        exact: String(value),
      };
    }
    const text = number(value);
    return text === String(value)
      ? { kind: 'number', text, unit: label }
      : { kind: 'number', text, unit: label, exact: String(value) };
  }
  if (value instanceof ExactNumber) return { kind: 'number', text: value.source, unit: label };
  if (typeof value === 'string') return { kind: 'text', text: value, unit: label };
  return { kind: 'json', text: json(value), unit: label };
}

/** At most three decimals (three digits for tiny numbers), never a rounded integer. */
export function number(value: number): string {
  if (Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1e15) return String(value);
  if (size < 0.001) return String(Number(value.toPrecision(3)));
  return String(Math.round(value * 1000) / 1000);
}

/** A number cut before each three digits of its integer part, from five digits on; the rest stays whole. */
export function digitGroups(text: string): string[] {
  const match = /^([^\d]?\d{1,3})((?:\d{3})+)([^\d].*)?$/.exec(text);
  if (match === null || match[1]!.length + match[2]!.length - (/^\d/.test(text) ? 0 : 1) < 5) return [text];
  const groups = match[2]!.match(/\d{3}/g)!;
  return [match[1]!, ...groups.slice(0, -1), groups.at(-1)! + (match[3] ?? '')];
}

/** A count, with thin spaces between the thousands. */
export function count(value: unknown): string {
  if (typeof value !== 'number') return value instanceof ExactNumber ? value.source : '–';
  return String(value).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

/** A confidence: 0…1 as per cent; whatever else an LLM wrote, as it stands. */
export function confidence(value: unknown): string {
  if (typeof value === 'number' && value >= 0 && value <= 1) return `${Math.round(value * 100)} %`;
  return asText(value);
}

/** What an item is related to, one text each, whatever form the node chose. */
export function related(value: unknown): string[] {
  if (value === null || value === undefined || value === '') return [];
  if (Array.isArray(value)) return value.map(asText).filter((text) => text !== '');
  return [asText(value)];
}

// ---- time -------------------------------------------------------------------------------------------------

/** "now", "12 s", "3 min", "2 h 5 min", "4 d 3 h". Negative (a clock that is ahead): "2 min ahead". */
export function duration(ms: number): string {
  const s = Math.floor(Math.abs(ms) / 1000);
  if (s < 60) return `${s} s`;
  const min = Math.floor(s / 60);
  if (min < 60) return `${min} min`;
  const h = Math.floor(min / 60);
  if (h < 24) return min % 60 && h < 6 ? `${h} h ${min % 60} min` : `${h} h`;
  const d = Math.floor(h / 24);
  return h % 24 && d < 7 ? `${d} d ${h % 24} h` : `${d} d`;
}

export function age(ms: number): string {
  if (ms < -5000) return `${duration(ms)} ahead`;
  return ms < 1000 ? 'now' : duration(ms);
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

/** Local date and time to the second. */
export function dateTime(ms: number): string {
  const d = new Date(ms);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${clock(ms)}`;
}

export function clock(ms: number): string {
  const d = new Date(ms);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/** For titles: local time with offset, so that nobody has to guess. */
export function exactTime(ms: number): string {
  const offset = -new Date(ms).getTimezoneOffset();
  const minutes = Math.abs(offset);
  const zone = `UTC${offset < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
  return `${dateTime(ms)}.${String(new Date(ms).getMilliseconds()).padStart(3, '0')} ${zone}`;
}

/**
 * A sentence of llamad's with its UTC times as the reader's clock shows them; the date only where it is not
 * today's.
 */
export function localTimes(sentence: string, nowMs: number): string {
  return sentence.replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, (text) => {
    const ms = parseTime(text);
    if (ms === null) return text;
    return dateTime(ms).slice(0, 10) === dateTime(nowMs).slice(0, 10) ? clock(ms) : dateTime(ms);
  });
}

/** An RFC 3339 time in ms since 1970, or null. */
export function parseTime(text: string | null | undefined): number | null {
  if (typeof text !== 'string') return null;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
}

// ---- words ------------------------------------------------------------------------------------------------

const CAUSES: Readonly<Record<string, string>> = {
  broker_down: 'broker down',
  starting: 'starting',
  duplicate_name: 'two agents with this name',
  smollama_down: 'Smollama down',
  smollama_error: 'Smollama in error',
  endpoint_error: 'an endpoint fails',
  frozen: 'readings frozen',
  clock_skew: 'clock off',
  agent_down: 'agent down',
  stopped: 'stopped',
  no_answer: 'no answer',
  will: 'connection lost',
  late: 'late',
  no_heartbeat: 'no heartbeat',
  never_seen: 'never seen',
  no_message: 'no message',
  own_clock: 'our own clock off',
};

export function cause(code: string): string {
  return Object.prototype.hasOwnProperty.call(CAUSES, code) ? CAUSES[code]! : code.replace(/_/g, ' ');
}

const VIAS: Readonly<Record<string, string>> = { mqtt: 'MQTT', http: 'HTTP', edge: 'edge MQTT' };

export function via(code: string): string {
  return Object.prototype.hasOwnProperty.call(VIAS, code) ? VIAS[code]! : code;
}

/** The address if it is a plain web address, else null: nothing else becomes a link. */
export function webLink(url: unknown): string | null {
  return typeof url === 'string' && /^https?:\/\/[^\s]+$/i.test(url) ? url : null;
}
