import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as format from '../src/format';
import { ExactNumber } from '../src/json';

const marks = (text: string, lines = false): string[] =>
  format
    .pieces(text, lines)
    .filter((piece) => piece.mark !== undefined)
    .map((piece) => piece.text);
const joined = (text: string, lines = false): string =>
  format
    .pieces(text, lines)
    .map((piece) => piece.text)
    .join('');

test('plain_text_is_one_piece', () => {
  assert.deepEqual(format.pieces('<b>&amp; 温度 🦙'), [{ text: '<b>&amp; 温度 🦙' }]);
});

test('nul_and_controls_become_visible_and_lose_nothing_after_them', () => {
  assert.equal(joined('NUL here:\u0000:after'), 'NUL here:NUL:after');
  assert.deepEqual(marks('\u0001\u0007\u001b[31m\u007f\u0085'), ['SOH', 'BEL', 'ESC', 'DEL', 'U+0085']);
});

test('bidi_overrides_and_hidden_characters_become_visible', () => {
  assert.deepEqual(marks('a\u202eb\u202c\u2066c\u2069\u200b\ufeff\u200f\u00ad'), [
    'U+202E',
    'U+202C',
    'U+2066',
    'U+2069',
    'U+200B',
    'U+FEFF',
    'U+200F',
    'U+00AD',
  ]);
  assert.deepEqual(marks('x\u{e0041}'), ['U+E0041']);
});

test('half_a_surrogate_pair_becomes_visible_and_a_whole_one_stays', () => {
  assert.deepEqual(marks('\ud83e'), ['U+D83E']);
  assert.deepEqual(marks('\ud83e\udd99'), []);
});

test('joiners_that_emoji_and_persian_need_stay', () => {
  assert.deepEqual(marks('👨\u200d👩\u200d👧 می\u200cخواهم'), []);
});

test('line_breaks_stay_only_where_lines_are_wanted', () => {
  assert.equal(joined('a\r\nb\rc\td', true), 'a\nb\nc\td');
  assert.deepEqual(marks('a\nb\tc'), ['LF', 'TAB']);
  assert.deepEqual(marks('a\u2028b', true), ['U+2028']);
});

test('a_mark_says_what_it_stands_for', () => {
  assert.equal(format.pieces('\u202e')[0]?.mark, 'right-to-left override (U+202E)');
  assert.equal(format.pieces('\u0002')[0]?.mark, 'U+0002');
});

test('plain_has_no_raw_control_or_bidi_character_left', () => {
  assert.equal(format.plain('a\u202eb\u0000c\nd'), 'a[U+202E]b[NUL]c d');
});

test('units_are_written_as_people_write_them', () => {
  const units = [
    'celsius',
    'percent',
    '%',
    'mhz',
    'mb',
    'cm',
    'fps',
    'count',
    'load',
    null,
    '<b>',
    'Celsius',
    'constructor',
  ];
  assert.deepEqual(units.map(format.unit), [
    '°C',
    '%',
    '%',
    'MHz',
    'MB',
    'cm',
    'fps',
    '',
    '',
    '',
    '<b>',
    '°C',
    'constructor',
  ]);
});

test('numbers_keep_integers_whole_and_round_decimals_with_the_exact_value_beside', () => {
  assert.deepEqual(format.shown(23501, 'mb'), { kind: 'number', text: '23501', unit: 'MB' });
  assert.deepEqual(format.shown(45.300000000000004, 'celsius'), {
    kind: 'number',
    text: '45.3',
    unit: '°C',
    exact: '45.300000000000004',
  });
  assert.equal(format.shown(0.00012345, null).text, '0.000123');
  assert.equal(format.shown(-0.5, null).text, '-0.5');
  assert.equal(format.shown(1.5e300, 'W').text, '1.5e+300');
  assert.equal(format.shown(5e-324, null).text, '5e-324');
});

test('numbers_beyond_a_double_keep_their_digits', () => {
  assert.equal(format.shown(new ExactNumber('9007199254740993'), 'count').text, '9007199254740993');
});

test('zero_and_one_with_unit_boolean_and_json_booleans_are_switches', () => {
  assert.deepEqual(format.shown(1, 'boolean'), {
    kind: 'switch',
    on: true,
    text: 'on',
    unit: '',
    exact: '1',
  });
  assert.equal(format.shown(0, 'boolean').text, 'off');
  assert.equal(format.shown(false, null).text, 'off');
  assert.equal(format.shown(2, 'boolean').kind, 'number');
  assert.equal(format.shown(1, 'count').kind, 'number');
});

test('null_text_and_json_values_are_told_apart', () => {
  assert.equal(format.shown(null, 'cm').kind, 'none');
  assert.deepEqual(format.shown('person', null), { kind: 'text', text: 'person', unit: '' });
  assert.equal(format.shown('', '').kind, 'text');
  assert.deepEqual(format.shown({ a: [1, null, 'x'], '': {} }, null), {
    kind: 'json',
    text: '{"a": [1, null, "x"], "": {}}',
    unit: '',
  });
});

test('a_unit_of_a_wrong_type_is_shown_as_json', () => {
  assert.equal(format.shown(1, { a: 1 }).unit, '{"a": 1}');
});

test('counts_have_thin_spaces', () => {
  assert.equal(format.count(1234567), '1\u202f234\u202f567');
  assert.equal(format.count(999), '999');
  assert.equal(format.count(null), '–');
});

test('confidence_is_per_cent_or_what_the_model_wrote', () => {
  assert.deepEqual([0.77, 1, 0, 95, -1.5, 'high', null].map(format.confidence), [
    '77 %',
    '100 %',
    '0 %',
    '95',
    '-1.5',
    'high',
    '',
  ]);
});

test('related_sources_take_any_form', () => {
  assert.deepEqual(format.related(['a:b', null, 5, { c: 1 }]), ['a:b', '5', '{"c": 1}']);
  assert.deepEqual(format.related('gpio:17'), ['gpio:17']);
  assert.deepEqual(format.related({ a: 1 }), ['{"a": 1}']);
  assert.deepEqual(format.related(null), []);
});

test('ages_are_short_and_say_when_a_clock_is_ahead', () => {
  const s = 1000;
  const ages = [
    0,
    900,
    12 * s,
    59.9 * s,
    60 * s,
    3600 * s,
    7500 * s,
    23500 * s,
    86400 * s,
    98000 * s,
    20 * 86400 * s,
    -3 * s,
    -120 * s,
  ];
  assert.deepEqual(ages.map(format.age), [
    'now',
    'now',
    '12 s',
    '59 s',
    '1 min',
    '1 h',
    '2 h 5 min',
    '6 h',
    '1 d',
    '1 d 3 h',
    '20 d',
    'now',
    '2 min ahead',
  ]);
});

test('exact_times_name_their_offset', () => {
  assert.match(
    format.exactTime(Date.parse('2026-11-23T08:00:00.042Z')),
    /^2026-11-2[2-4] \d\d:\d\d:00\.042 UTC[+-]\d\d:\d\d$/,
  );
});

test('times_inside_a_sentence_are_the_readers', () => {
  const then = Date.parse('2026-11-23T08:00:07Z');
  const sentence = 'silent since 2026-11-23T08:00:07Z (tried 2026-11-23T08:00:07.250Z)';
  assert.equal(
    format.localTimes(sentence, then + 60_000),
    `silent since ${format.clock(then)} (tried ${format.clock(then)})`,
  );
  assert.equal(
    format.localTimes('since 2026-11-23T08:00:07Z', then + 5 * 86_400_000),
    `since ${format.dateTime(then)}`,
  );
  assert.equal(format.localTimes('2026-99-99T99:99:99Z stays', then), '2026-99-99T99:99:99Z stays');
});

test('unreadable_times_are_no_times', () => {
  assert.deepEqual([null, undefined, 'yesterday', ''].map(format.parseTime), [null, null, null, null]);
});

test('causes_are_words_even_when_unknown', () => {
  assert.equal(format.cause('smollama_down'), 'Smollama down');
  assert.equal(format.cause('some_new_cause'), 'some new cause');
  assert.equal(format.cause('toString'), 'toString');
});

test('only_web_addresses_become_links', () => {
  assert.equal(format.webLink('http://192.168.1.10:8080'), 'http://192.168.1.10:8080');
  for (const bad of ['javascript:alert(1)', 'data:text/html,x', '//evil', 'http:', 'http:// x', null, 5]) {
    assert.equal(format.webLink(bad), null, String(bad));
  }
});

test('digits_stand_in_groups_from_five_on', () => {
  const whole = ['1', '123', '1234', '-1234', '1e+21', '', 'x'];
  for (const text of whole) assert.deepEqual(format.digitGroups(text), [text]);
  assert.deepEqual(format.digitGroups('12345'), ['12', '345']);
  assert.deepEqual(format.digitGroups('23331.6'), ['23', '331.6']);
  assert.deepEqual(format.digitGroups('\u22121234567.12345'), ['\u22121', '234', '567.12345']);
  assert.equal(format.digitGroups('9007199254740993').join(' '), '9 007 199 254 740 993');
});
