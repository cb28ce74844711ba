// JSON whose numbers keep the digits that the node wrote. JSON.parse rounds to a double, so 9007199254740993
// would be shown as ...992. Browsers that hand the reviver the source text (2023 on) keep the digits; the
// others show the double.

/** A number that a double cannot hold, as it was written. */
export class ExactNumber {
  constructor(readonly source: string) {}
  toString(): string {
    return this.source;
  }
  /** Only for keys and for showing: a JSON string here, never sent anywhere. */
  toJSON(): string {
    return this.source;
  }
}

/** Numbers of 16 characters or more, or with a three-digit exponent, where a value may stand. */
const LONG = /(?:^|[:[,])\s*(-?\d[\d.]{15,}(?:[eE][+-]?\d+)?|-?\d[\d.]*[eE]\+?\d{3,})/g;

type Reviver = (this: unknown, key: string, value: unknown, context?: { source?: string }) => unknown;

const keepDigits: Reviver = (_key, value, context) => {
  const source = context?.source;
  if (typeof value !== 'number' || source === undefined) return value;
  if (String(value) === source || !losesDigits(value, source)) return value;
  return new ExactNumber(source);
};

/** `5e-324`, `1.50` and `1E3` are the same double in another dress; `9007199254740993` is not. */
function losesDigits(value: number, source: string): boolean {
  if (!Number.isFinite(value)) return true;
  const digits = source
    .replace(/[eE].*$/, '')
    .replace(/[-.]/g, '')
    .replace(/^0+/, '')
    .replace(/0+$/, '');
  if (digits.length > 17) return true;
  return digits.length > 15 && significant(value) !== digits;
}

function significant(value: number): string {
  return String(value)
    .replace(/[eE].*$/, '')
    .replace(/[-.]/g, '')
    .replace(/^0+/, '')
    .replace(/0+$/, '');
}

/** A reviver takes five times as long as none, so it gets only texts in which some digits would be lost. */
export function parseJson(text: string): unknown {
  for (const [, source] of text.matchAll(LONG))
    if (losesDigits(Number(source), source!))
      return JSON.parse(text, keepDigits as (key: string, value: unknown) => unknown);
  return JSON.parse(text);
}

/** A stable key of an item's id, which may be a number or a string. */
export function idKey(id: unknown): string {
  return id instanceof ExactNumber ? id.source : (JSON.stringify(id) ?? '');
}
