import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSession, loginHeader, problemOf } from '../src/session';

test('name_and_password_go_as_utf8', () => {
  assert.equal(loginHeader('anna', 'x'), 'Basic YW5uYTp4');
  const bytes = Uint8Array.from(atob(loginHeader('ülla', 'pä:ß€').slice(6)), (c) => c.charCodeAt(0));
  const decoded = new TextDecoder().decode(bytes);
  assert.equal(decoded, 'ülla:pä:ß€');
});

test('what_went_wrong_is_said', () => {
  assert.match(problemOf(401, 0), /No such name/);
  assert.match(problemOf(429, 8), /in 8 s/);
  assert.match(problemOf(429, 0), /Wait a little/);
  assert.match(problemOf(0, 0), /does not answer/);
  assert.match(problemOf(500, 0), /500/);
});

test('only_an_answer_of_llamad_is_a_session', () => {
  assert.equal(isSession({ logins: true, kind: 'user', name: 'anna', scope: 'read' }), true);
  for (const other of [null, 'x', 1, [], {}, { kind: 'user' }]) assert.equal(isSession(other), false);
});
