import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bubblewrapCheck, judgeBubblewrap } from './bubblewrap-check.ts';

describe('the check of bubblewrap', () => {
  it('warns of versions with a known hole, and says what to do', () => {
    for (const said of ['bubblewrap 0.8.0', 'bubblewrap 0.11.2']) {
      const { status, text, fix } = judgeBubblewrap(said);
      assert.equal(status, 'warn');
      assert.match(text, /CVE-2026-87766/);
      assert.match(fix!, /0\.12\.0/);
    }
    for (const said of ['bubblewrap 0.12.0', 'bubblewrap 0.20.1', 'bubblewrap 1.0.0', undefined])
      assert.equal(judgeBubblewrap(said).status, 'ok', String(said));
    assert.equal(judgeBubblewrap('something else').status, 'warn');
  });

  it('looks at the one that this machine has', async () => {
    assert.notEqual((await bubblewrapCheck.run()).status, 'fail');
  });
});
