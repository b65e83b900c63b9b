import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LambentError } from '../base/errors.ts';
import { connectionByUrl } from './connection.ts';
import { parseManifest, planApp } from './manifest.ts';
import { parseManifestYaml } from './manifest-yaml.ts';
import { DELIVERY_DEFAULTS, type Trigger } from './trigger.ts';

const FOUND = ['bill', 'log'].map((name) => ({ name, entry: `functions/${name}.js`, path: `/${name}` }));

function plan(on: string): readonly Trigger[] {
  const text = `functions:\n  log: {}\n  bill:\n    on:\n${on.replaceAll(/^/gm, '      ')}`;
  const file = 'lambent.yaml';
  const { data, locate } = parseManifestYaml(text, file);
  return planApp(parseManifest(data, { file, locate }), FOUND, 'shop').triggers;
}

function problemsOf(on: string): string {
  try {
    plan(on);
  } catch (thrown) {
    assert.ok(thrown instanceof LambentError && thrown.code === 'E_MANIFEST_INVALID', String(thrown));
    return thrown.message;
  }
  return assert.fail('it is accepted');
}

describe('triggers in the manifest', () => {
  it('get names, sources and defaults', () => {
    const triggers = plan(
      '- events: { type: [a] }\n- events: { type: [b] }\n- schedule: every 5m\n- webhook: none',
    );
    assert.deepEqual(
      triggers.map(({ name, function: owner }) => [name, owner]),
      [
        ['bill-events', 'bill'],
        ['bill-events-2', 'bill'],
        ['bill-schedule', 'bill'],
        ['bill-webhook', 'bill'],
      ],
    );
    const [first, , schedule, webhook] = triggers;
    assert.deepEqual(first!.source, { kind: 'events', pattern: { type: ['a'] }, format: 'cloudevent' });
    assert.deepEqual(first!.delivery, DELIVERY_DEFAULTS);
    assert.deepEqual(schedule!.source, {
      ...{ kind: 'schedule', when: { kind: 'rate', everyMs: 300_000 }, timeZone: 'UTC' },
      ...{ missed: 'last', overlap: 'wait', jitterMs: 0 },
    });
    assert.equal(schedule!.delivery.concurrency, 1);
    assert.deepEqual(webhook!.source, {
      kind: 'webhook',
      verify: { kind: 'none' },
      secrets: [],
      toleranceMs: 300_000,
    });
  });

  it('keep the order of a message’s key, unless they name another', () => {
    const triggers = plan(
      '- kafka: { url: U, topic: orders }\n- sqs: { url: U, queue: orders.fifo }\n  key: data.customer',
    );
    assert.deepEqual(
      triggers.map(({ delivery }) => delivery.key),
      ['partitionkey', 'data.customer'],
    );
    const common = { connection: connectionByUrl('kafka', 'U'), prefetch: 100 };
    assert.deepEqual(triggers[0]!.source, {
      ...{ ...common, kind: 'kafka', topic: 'orders', group: undefined, from: 'all' },
    });
    assert.match(problemsOf('- kafka: { url: U, topic: a/b }'), /the name of a topic/);
    assert.match(problemsOf('- sqs: { url: U, queue: a.b }'), /the name of a queue/);
  });

  it('take every setting', () => {
    const [trigger] = plan(`- name: big.orders
  events: { type: [a] }
  format: eventbridge
  attempts: 3
  maxAge: 1h
  retryFirst: 5s
  retryMax: 1m
  batch: 10
  window: 2s
  bisect: true
  concurrency: 4
  key: data.customer
  rate: 100
  dedupe: data.order
  dedupeWindow: 1m
  onSuccess: { function: log }
  onFailure: { emit: bill.failed }`);
    assert.deepEqual(trigger!.delivery, {
      ...{ attemptsMax: 3, ageMaxMs: 3_600_000, retryFirstMs: 5_000, retryMaxMs: 60_000 },
      ...{ batchMax: 10, batched: true, windowMs: 2_000, bisect: true, concurrency: 4, key: 'data.customer' },
      ...{ ratePerSecond: 100, debounceMs: 0, dedupeKey: 'data.order', dedupeMs: 60_000 },
      onSuccess: { kind: 'function', function: 'log' },
      onFailure: { kind: 'emit', type: 'bill.failed' },
    });
  });

  for (const [what, on, reason] of [
    ['no source', '- attempts: 3', /5:9: a trigger has one of `events`, `schedule`, `webhook`, `postgres`/],
    ['a table with three names', '- postgres: { url: DB, table: a.b.c }', /a table such as `public.orders`/],
    ['no action', '- postgres: { url: DB, table: a, actions: [] }', /a list of insert, update/],
    ['two sources', '- { events: { type: [a] }, schedule: every 5m }', /has one of/],
    ['a pattern that is none', '- events: { type: a }', /"type" must be an object or a list/],
    ['an unknown operator', '- events: { type: [{ starts: a }] }', /unknown operator "starts"/],
    ['a bad cron expression', '- schedule: "61 * * * *"', /must be a cron expression/],
    ['an unknown zone', '- { schedule: every 5m, timezone: Europe/Berln }', /did you mean `Europe\/Berlin`/],
    [
      'a setting of another kind',
      '- { events: { type: [a] }, jitter: 5s }',
      /`jitter` belongs to a trigger with `schedule`/,
    ],
    ['a webhook without a key', '- webhook: github', /needs `secret`/],
    ['an unknown scheme', '- webhook: githab', /must be standard, github/],
    [
      'a name twice',
      '- { name: a, webhook: none }\n- { name: a, webhook: none }',
      /already given at lambent.yaml:5/,
    ],
    ['a name with a slash', '- { name: a/b, webhook: none }', /a name of letters/],
    ['an unknown destination', '- { webhook: none, onFailure: { function: lg } }', /did you mean `log`/],
    ['an unknown workflow', '- { webhook: none, onFailure: { workflow: log } }', /the name of a workflow/],
    ['debounce with batches', '- { webhook: none, debounce: 1s, batch: 3 }', /does not go with `batch`/],
    ['a window that is too long', '- { webhook: none, window: 1h }', /a duration from 0ms to 5m/],
    ['an unknown key', '- { webhook: none, atempts: 3 }', /did you mean `attempts`/],
    ['a path with a gap', '- { webhook: none, key: "a..b" }', /a path in the event/],
  ] as const)
    it(`are refused with ${what}`, () => assert.match(problemsOf(on), reason));
});
