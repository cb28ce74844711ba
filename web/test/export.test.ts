import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toCsv, toJson } from '../src/export';
import { ExactNumber } from '../src/json';

test('json_keeps_digits_nothing_and_every_character', () => {
  const value = JSON.parse('{"big": 0, "list": [0, null, "\\u0000\\u202e"], "__proto__": 1}');
  value.big = new ExactNumber('90071992547409931234');
  value.list[0] = new ExactNumber('1e999');
  const text = toJson([{ node: 'a', value, unit: undefined }, { node: '"', value: true, unit: '°C' }]);
  assert.equal(
    text,
    '[\n{"node": "a", "value": {"big": 90071992547409931234, "list": [1e999, null, "\\u0000\u202e"], "__proto__": 1}, ' +
      '"unit": null},\n{"node": "\\"", "value": true, "unit": "°C"}\n]\n',
  );
  assert.deepEqual(JSON.parse(text)[1], { node: '"', value: true, unit: '°C' });
  assert.equal(toJson([]), '[]\n');
});

test('csv_has_a_header_and_quotes_what_would_break_a_row', () => {
  assert.equal(
    toCsv([
      { node: 'a,b', value: 'say "hi"', note: 'two\nlines' },
      { node: 'plain', value: ' space ', note: null },
    ]),
    'node,value,note\r\n"a,b","say ""hi""","two\nlines"\r\nplain, space ,\r\n',
  );
  assert.equal(toCsv([]), '');
});

test('csv_keeps_numbers_and_defuses_formulas', () => {
  const big = new ExactNumber('-90071992547409931234');
  const values = [-1.5, big, true, '=1+1', '+1', '-1', '@x', '\t=1', '\r=1', "'=1", 'a=1', ['=1'], '=HYPERLINK("x")',
    '\uff1d1+1', '\uff0b1', '\uff0d1', '\uff20x'];
  assert.deepEqual(
    values.map((value) => toCsv([{ value }]).slice('value\r\n'.length, -2)),
    ['-1.5', '-90071992547409931234', 'true', "'=1+1", "'+1", "'-1", "'@x", "'\t=1", '"\'\r=1"', "'=1", 'a=1',
      '"[""=1""]"', '"\'=HYPERLINK(""x"")"', "'\uff1d1+1", "'\uff0b1", "'\uff0d1", "'\uff20x"],
  );
});

test('csv_has_every_column_that_any_row_has', () => {
  assert.equal(toCsv([{ a: 1 }, { b: 2 }]), 'a,b\r\n1,\r\n,2\r\n');
});
