import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { reportText, runChaos } from './chaos-run.ts';
import { checkLedger, type Facts } from './check-ledger.ts';
import type { Seen } from './ledger.ts';

const seen = (by: string, id: string, more: Partial<Seen> = {}): Seen => ({
  ...{ by, id, key: 'k', place: Number(id.slice(1)), instantMs: undefined },
  ...more,
});
const ticks = [1_000, 2_000, 3_000].map((instantMs) => seen('tick', `t${instantMs}`, { instantMs }));

function facts(more: Partial<Facts>): Facts {
  return {
    acknowledged: [{ id: 'e1', key: 'k', place: 1 }],
    seen: [seen('a', 'e1'), ...ticks],
    dead: new Set(),
    ...{ functions: ['a'], ordered: 'a', scheduled: 'tick', everyMs: 1_000 },
    ...more,
  };
}

describe('the checker of the kill harness', () => {
  it('is content when everything was seen, again or not, or is dead', () => {
    assert.deepEqual(checkLedger(facts({})), []);
    assert.deepEqual(
      checkLedger(facts({ seen: [seen('a', 'e1'), seen('a', 'e2'), seen('a', 'e1'), ...ticks] })),
      [],
    );
    assert.deepEqual(checkLedger(facts({ seen: ticks, dead: new Set(['a e1']) })), []);
  });

  it('notices what was lost, what overtook, and instants that are missing or two events', () => {
    assert.match(checkLedger(facts({ seen: ticks })).join(), /e1 was acknowledged, and a never saw it/);
    assert.match(
      checkLedger(facts({ seen: [seen('a', 'e2'), seen('a', 'e1'), ...ticks] })).join(),
      /saw e1 after e2/,
    );
    assert.match(
      checkLedger(facts({ seen: [seen('a', 'e1'), ticks[0]!, ticks[2]!] })).join(),
      /never ran for/,
    );
    const twice = seen('tick', 'other', { instantMs: 2_000 });
    assert.match(checkLedger(facts({ seen: [seen('a', 'e1'), ...ticks, twice] })).join(), /is 2 events/);
  });
});

describe('the kill harness', {
  timeout: 150_000,
  skip: process.platform !== 'linux' && 'it reads /proc',
}, () => {
  it('finds nothing lost', async (context) => {
    const report = await runChaos({ seed: 7, durationMs: 12_000, bug: 'none', services: 'quick' });
    context.diagnostic(reportText(report));
    assert.deepEqual(report.problems, []);
    assert.ok(report.nodeKills > 0 && report.acknowledged > 0);
    for (const { acknowledged, kills } of Object.values(report.services))
      assert.ok(acknowledged > 0 && kills > 0);
  });

  it('turns red when senders are told too early', async (context) => {
    const report = await runChaos({ seed: 7, durationMs: 8_000, bug: 'ack-early', services: 'none' });
    context.diagnostic(reportText(report));
    assert.match(report.problems.join(), /was acknowledged, and .* never saw it/);
  });
});
