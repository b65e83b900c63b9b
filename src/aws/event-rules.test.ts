import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import { openStore, type Store } from '../store-sqlite/store.ts';
import { EventRules, RULE_OPERATIONS } from './event-rules.ts';
import { AwsJsonError, RequestFields } from './json-protocol.ts';
import { scheduleOf } from './rule-triggers.ts';

/** One app `shop` with a function `bill`. */
const liveApps = {
  resolve: (app: string, name: string) => (app === 'shop' && name === 'bill' ? {} : undefined),
  snapshot: () => [{ live: { app: 'shop' } }],
} as unknown as LiveApps;

const BILL = 'arn:aws:lambda:eu-west-1:123456789012:function:bill';
const PATTERN = '{"source":["shop"]}';

describe('rules of the EventBridge API', () => {
  let folder = '';
  let store: Store;
  let rules: EventRules;
  const call = async (operation: string, fields: Record<string, unknown>) =>
    (await RULE_OPERATIONS[operation]!(rules, new RequestFields(fields))) as Record<string, unknown>;
  const refusal = async (operation: string, fields: Record<string, unknown>): Promise<string> => {
    try {
      await call(operation, fields);
    } catch (thrown) {
      if (thrown instanceof AwsJsonError) return thrown.type;
      if (thrown instanceof LambentError) return thrown.code;
      throw thrown;
    }
    return 'none';
  };
  const reopen = async (): Promise<void> => {
    await store?.close();
    store = await openStore({ folder, clock: systemClock, log: silentLog });
    rules = await EventRules.open(store.stateMachines, liveApps);
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lambent-rules-'));
    await reopen();
  });
  after(async () => {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('are triggers while they are enabled, and are there again after a restart', async () => {
    let changes = 0;
    rules.subscribe(() => {
      changes += 1;
    });
    const { RuleArn } = await call('PutRule', {
      ...{ Name: 'both', EventPattern: PATTERN, ScheduleExpression: 'rate(5 minutes)' },
    });
    assert.equal(RuleArn, 'arn:aws:events:us-east-1:000000000000:rule/both');
    assert.deepEqual(rules.list(), []);
    const RetryPolicy = { MaximumRetryAttempts: 2, MaximumEventAgeInSeconds: 60 };
    const targets = [
      { Id: 'a', Arn: BILL, RetryPolicy },
      { Id: 'no', Arn: 'arn:aws:sqs:::q' },
    ];
    const put = await call('PutTargets', { Rule: 'both', Targets: targets });
    assert.equal(put.FailedEntryCount, 1);
    await reopen();
    const listed = rules.list().map(({ app, trigger }) => [app, trigger.name, trigger.delivery.attemptsMax]);
    assert.deepEqual(listed, [
      ['shop', 'rule:both:a', 3],
      ['shop', 'schedule:both:a', 3],
    ]);
    assert.equal(changes, 2);
    assert.deepEqual(await call('ListTargetsByRule', { Rule: 'both' }), {
      ...{ Targets: [{ Id: 'a', Arn: BILL, RetryPolicy }], NextToken: undefined },
    });
    await call('DisableRule', { Name: 'both' });
    assert.deepEqual(rules.list(), []);
    await call('EnableRule', { Name: 'both' });
    await call('PutRule', { Name: 'both', EventPattern: PATTERN });
    assert.equal(rules.list().length, 1, 'targets stay, what is left out goes');
    assert.equal(await refusal('DeleteRule', { Name: 'both' }), 'ValidationException');
    const removed = await call('RemoveTargets', { Rule: 'both', Ids: ['a', 'b'] });
    assert.equal(removed.FailedEntryCount, 1);
    await call('DeleteRule', { Name: 'both' });
    assert.equal(await refusal('DescribeRule', { Name: 'both' }), 'ResourceNotFoundException');
    assert.equal(await refusal('DeleteRule', { Name: 'both' }), 'none');
  });

  it('are listed in pages', async () => {
    for (const Name of ['p-1', 'p-2', 'p-3', 'q']) await call('PutRule', { Name, EventPattern: PATTERN });
    const first = await call('ListRules', { NamePrefix: 'p', Limit: 2 });
    const second = await call('ListRules', { NamePrefix: 'p', Limit: 2, NextToken: first.NextToken });
    const names = [first, second]
      .flatMap(({ Rules }) => Rules as readonly { Name: string }[])
      .map(({ Name }) => Name);
    assert.deepEqual([names, second.NextToken], [['p-1', 'p-2', 'p-3'], undefined]);
  });

  it('are refused when they are none', async () => {
    for (const [fields, type] of [
      [{ Name: 'x' }, 'ValidationException'],
      [{ Name: 'a b', EventPattern: PATTERN }, 'ValidationException'],
      [{ Name: 'x', EventPattern: '[' }, 'InvalidEventPatternException'],
      [{ Name: 'x', EventPattern: '{"source":"shop"}' }, 'E_PATTERN_INVALID'],
      [{ Name: 'x', ScheduleExpression: 'every 5m' }, 'ValidationException'],
      [{ Name: 'x', EventPattern: PATTERN, EventBusName: 'mine' }, 'ResourceNotFoundException'],
    ] as const)
      assert.equal(await refusal('PutRule', fields), type, JSON.stringify(fields));
    assert.equal(await refusal('EnableRule', { Name: 'nobody' }), 'ResourceNotFoundException');
    const failed = async (target: object): Promise<string> => {
      const put = await call('PutTargets', { Rule: 'q', Targets: [{ Id: 'a', Arn: BILL, ...target }] });
      return (put.FailedEntries as readonly { ErrorCode: string }[])[0]!.ErrorCode;
    };
    assert.equal(await failed({ Arn: `${BILL}s` }), 'ResourceNotFoundException');
    for (const target of [
      { Input: '{' },
      { Input: '1', InputPath: '$' },
      { InputPath: '$..x' },
      { SqsParameters: { MessageGroupId: 'a' } },
      { InputTransformer: { InputPathsMap: { a: 'detail' }, InputTemplate: '<a>' } },
    ])
      assert.equal(await failed(target), 'ValidationException', JSON.stringify(target));
  });

  it('read schedules as AWS does', () => {
    const cron = (text: string): unknown => (scheduleOf(text) as { expression?: string }).expression;
    assert.equal(cron('cron(0 18 ? * MON-FRI *)'), '0 18 * * MON-FRI');
    assert.equal(cron('cron(0/10 * ? * 2-6 *)'), '0-59/10 * * * 1-5');
    assert.equal(cron('cron(15 10 L * ? *)'), '15 10 L * *');
    assert.deepEqual(scheduleOf('rate(1 hour)'), { kind: 'rate', everyMs: 3_600_000 });
    for (const wrong of ['rate(5 minute)', 'rate(1 hours)', 'cron(* * * * * *)', 'cron(0 10 ? * ? *)', ''])
      assert.throws(() => scheduleOf(wrong), AwsJsonError, wrong);
  });

  it('are 300 of each bus, and all are there again after a restart', async () => {
    const bus = { kind: 'eventBus', key: 'full', value: { name: 'full' } } as const;
    const free = { kind: 'eventBus', key: 'free', value: { name: 'free' } } as const;
    const full = ['full', undefined].flatMap((name) =>
      Array.from({ length: 300 }, (_, at) => ({
        kind: 'eventRule' as const,
        key: name === undefined ? `r-${at}` : `${name}/r-${at}`,
        value: { bus: name, name: `r-${at}`, pattern: PATTERN, isEnabled: true, targets: [] },
      })),
    );
    const former = rules.names('default', '', '', 300);
    await store.stateMachines.remove(former.map((key) => ({ kind: 'eventRule', key })));
    await store.stateMachines.put([bus, free, ...full]);
    await reopen();
    const put = (EventBusName: string, Name = 'more') =>
      refusal('PutRule', { Name, EventBusName, EventPattern: PATTERN });
    assert.deepEqual(
      [await put('default'), await put('full'), await put('full', 'r-0'), await put('free')],
      ['LimitExceededException', 'LimitExceededException', 'none', 'none'],
    );
    await call('DeleteRule', { Name: 'r-7' });
    assert.equal(await put('default'), 'none');
  });
});
