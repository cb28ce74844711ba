// Rows as JSON and CSV. Pure. What a node sent goes out as it sent it: numbers with their digits, texts whole.
import { asText, json } from './format';
import { ExactNumber } from './json';

/** One row: what stands in which column. The columns' names are ours, the values may be a node's. */
export type ExportRow = Readonly<Record<string, unknown>>;
export type ExportKind = 'csv' | 'json';

/** An array with one row a line. */
export function toJson(rows: readonly ExportRow[]): string {
  if (rows.length === 0) return '[]\n';
  return `[\n${rows.map((row) => json(defined(row))).join(',\n')}\n]\n`;
}

/** JSON has no `undefined`; a column that is missing would be another shape of row. */
function defined(row: ExportRow): ExportRow {
  return Object.fromEntries(Object.entries(row).map(([key, value]) => [key, value ?? null]));
}

/** RFC 4180 with a header; no value is an empty cell. */
export function toCsv(rows: readonly ExportRow[]): string {
  const columns = [...new Set(rows.flatMap(Object.keys))];
  const lines = [columns.join(','), ...rows.map((row) => columns.map((name) => cell(row[name])).join(','))];
  return rows.length === 0 ? '' : lines.map((line) => `${line}\r\n`).join('');
}

/** A text that a spreadsheet would take for a formula gets an apostrophe in front; numbers are no texts. */
const FORMULA = /^[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n]/;

function cell(value: unknown): string {
  if (typeof value === 'number' || value instanceof ExactNumber) return String(value);
  const text = asText(value).replace(FORMULA, "'$&");
  return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

export function toText(rows: readonly ExportRow[], kind: ExportKind): string {
  return kind === 'csv' ? toCsv(rows) : toJson(rows);
}
