import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExactNumber, idKey, parseJson } from '../src/json';

/** Node 18 and 20 do not tell a reviver the source text; browsers of today do. */
const tellsSource = ((): boolean => {
  let told = false;
  const look = (_key: string, value: unknown, context?: { source?: string }): unknown => {
    told = context?.source === '1';
    return value;
  };
  JSON.parse('1', look as (key: string, value: unknown) => unknown);
  return told;
})();

test('ordinary_json_is_what_json_parse_makes_of_it', () => {
  const text = '{"a":[1,2.5,-0.0,1e3,"x\\u0000y",null,true],"b":{"c":0.123456789012345}}';
  assert.deepEqual(parseJson(text), JSON.parse(text));
});

test('doubles_with_many_digits_stay_doubles', () => {
  assert.deepEqual(
    parseJson('[0.30000000000000004,45.300000000000004,5e-324,1.5e+300,1000000000000000000]'),
    [0.30000000000000004, 45.300000000000004, 5e-324, 1.5e300, 1e18],
  );
});

test('numbers_beyond_a_double_keep_their_digits_where_the_engine_tells_them', () => {
  const [big, huge] = parseJson('[9007199254740993,1e400]') as unknown[];
  assert.deepEqual(
    [big, huge].map(String),
    tellsSource ? ['9007199254740993', '1e400'] : ['9007199254740992', 'Infinity'],
  );
  assert.equal(big instanceof ExactNumber, tellsSource);
});

test('only_texts_that_would_lose_digits_are_parsed_the_slow_way', () => {
  const { parse } = JSON;
  let revivers = 0;
  const slow = (text: string): boolean => {
    const before = revivers;
    JSON.parse = (given: string, reviver?: Parameters<typeof parse>[1]): unknown => {
      if (reviver !== undefined) revivers++;
      return parse(given, reviver);
    };
    try {
      parseJson(text);
    } finally {
      JSON.parse = parse;
    }
    return revivers > before;
  };
  for (const text of [
    '{"instance":"8e2501234567890123456789","at":"2026-11-29T01:02:03.123Z"}',
    '{"value":0.30000000000000004,"other":[45.300000000000004,-1.7976931348623157e308]}',
    '[1e21,123456789012345]',
  ])
    assert.equal(slow(text), false, text);
  for (const text of ['9007199254740993', '{"value": 9007199254740993}', '[1,-0.12345678901234567890]', '[0,\n1e400]', '[1E+400]'])
    assert.equal(slow(text), true, text);
});

test('long_digits_inside_a_text_stay_text', () => {
  assert.equal(parseJson('"12345678901234567890"'), '12345678901234567890');
});

test('broken_json_is_an_error', () => {
  assert.throws(() => parseJson('{"a":'));
  assert.throws(() => parseJson('[12345678901234567890'));
});

test('keys_of_ids_tell_types_apart', () => {
  assert.deepEqual([1, '1', null, undefined, new ExactNumber('12345678901234567890')].map(idKey), [
    '1',
    '"1"',
    'null',
    '',
    '12345678901234567890',
  ]);
});
