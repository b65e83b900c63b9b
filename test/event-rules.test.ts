import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  CreateEventBusCommand,
  DeleteEventBusCommand,
  DeleteRuleCommand,
  EnableRuleCommand,
  DescribeEventBusCommand,
  DescribeRuleCommand,
  DisableRuleCommand,
  EventBridgeClient,
  ListEventBusesCommand,
  ListRuleNamesByTargetCommand,
  ListRulesCommand,
  ListTagsForResourceCommand,
  ListTargetsByRuleCommand,
  PutEventsCommand,
  PutRuleCommand,
  PutTargetsCommand,
  RemoveTargetsCommand,
  TagResourceCommand,
  UntagResourceCommand,
  type Target,
} from '@aws-sdk/client-eventbridge';
import { CreateStateMachineCommand } from '@aws-sdk/client-sfn';
import { type AppFiles, startTestPlatform, type TestPlatform } from './platform-harness.ts';
import { poll } from './process-table.ts';
import { clientOf, LAMBDA, ROLE } from './step-functions-harness.ts';

/** Rules that AWS' own client puts, their targets, and workflows as destinations, on a real platform. */

const FILES: AppFiles = {
  'lambent.yaml': `
app: shop
functions:
  bill: {}
  hear:
    on:
      - events: { type: [heard] }
        bus: partners
  work:
    on:
      - events: { type: [work] }
        onSuccess: { workflow: follow }
workflows:
  follow: {}
`,
  'functions/bill.js':
    'export const handler = async (event) => { console.log("billed " + JSON.stringify(event)); };',
  'functions/hear.js':
    'export const handler = async (event) => { console.log("heard " + JSON.stringify(event.data)); };',
  'functions/work.js': 'export const handler = async ({ data }) => data.number + 1;',
  'workflows/follow.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx, event: { data: { responsePayload: number } }) => {
  await ctx.step('tell', () => console.log('followed ' + event.data.responsePayload));
});`,
};

describe('rules by the AWS SDK', { timeout: 90_000 }, () => {
  let lambent: TestPlatform;
  let events: EventBridgeClient;
  before(async () => {
    lambent = await startTestPlatform({ shop: FILES });
    events = new EventBridgeClient({
      ...{ endpoint: lambent.url, region: 'us-east-1', maxAttempts: 1 },
      credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
    });
  });
  after(async () => {
    events.destroy();
    await lambent.close();
  });

  const put = async (type: string, detail: object): Promise<void> => {
    const entry = { Source: 'test', DetailType: type, Detail: JSON.stringify(detail) };
    assert.equal((await events.send(new PutEventsCommand({ Entries: [entry] }))).FailedEntryCount, 0);
  };
  const rule = async (name: string, type: string, target: Omit<Target, 'Id'>): Promise<void> => {
    const EventPattern = JSON.stringify({ 'detail-type': [type] });
    await events.send(new PutRuleCommand({ Name: name, EventPattern }));
    const Targets = [{ Id: 'one', ...target } as Target];
    const { FailedEntryCount } = await events.send(new PutTargetsCommand({ Rule: name, Targets }));
    assert.equal(FailedEntryCount, 0);
  };
  const billed = async (holds: string): Promise<unknown> => {
    const { text } = await lambent.waitForLog(
      (line) => line.text.startsWith('billed ') && line.text.includes(holds),
    );
    return JSON.parse(text.slice(7));
  };

  it('bring events to functions, whole and transformed', async () => {
    await rule('whole', 'placed', { Arn: `${LAMBDA}bill` });
    await put('placed', { total: 1, mark: 'm1' });
    const event = (await billed('m1')) as Record<string, unknown>;
    assert.deepEqual([event['detail-type'], event.source], ['placed', 'test']);
    const InputTransformer = {
      InputPathsMap: { t: '$.detail.total' },
      InputTemplate: '{"text": "total <t> m2"}',
    };
    await rule('made', 'made', { Arn: `${LAMBDA}shop--bill`, InputTransformer });
    await put('made', { total: 12 });
    assert.deepEqual(await billed('m2'), { text: 'total 12 m2' });
  });

  it('start state machines', async () => {
    const sfn = clientOf(lambent.url);
    const state = { Type: 'Task', Resource: `${LAMBDA}bill`, End: true };
    const definition = JSON.stringify({ StartAt: 'A', States: { A: state } });
    const { stateMachineArn } = await sfn.send(
      new CreateStateMachineCommand({ name: 'machine', roleArn: ROLE, definition }),
    );
    await rule('starts', 'start', { Arn: stateMachineArn!, RoleArn: ROLE, InputPath: '$.detail' });
    await put('start', { mark: 'm3' });
    assert.deepEqual(await billed('m3'), { mark: 'm3' });
    sfn.destroy();
  });

  it('are found by their target, and have tags', async () => {
    const Tags = [{ Key: 'team', Value: 'sales' }];
    const put = new PutRuleCommand({ Name: 'tagged', ScheduleExpression: 'rate(1 day)', Tags });
    const ResourceARN = (await events.send(put)).RuleArn!;
    const Targets = [{ Id: 'one', Arn: `${LAMBDA}shop--work` }];
    await events.send(new PutTargetsCommand({ Rule: 'tagged', Targets }));
    const found = await events.send(new ListRuleNamesByTargetCommand({ TargetArn: Targets[0]!.Arn }));
    assert.deepEqual(found.RuleNames, ['tagged']);
    const tags = async () => (await events.send(new ListTagsForResourceCommand({ ResourceARN }))).Tags;
    assert.deepEqual(await tags(), Tags);
    await events.send(
      new TagResourceCommand({
        ...{ ResourceARN },
        Tags: [
          { Key: 'team', Value: 'it' },
          { Key: 'stage', Value: 'test' },
        ],
      }),
    );
    await events.send(new UntagResourceCommand({ ResourceARN, TagKeys: ['stage', 'none'] }));
    // A rule that is put again keeps them, as it keeps its targets.
    await events.send(new PutRuleCommand({ Name: 'tagged', ScheduleExpression: 'rate(2 days)' }));
    assert.deepEqual(await tags(), [{ Key: 'team', Value: 'it' }]);
    await assert.rejects(events.send(new ListTagsForResourceCommand({ ResourceARN: `${ResourceARN}-not` })), {
      name: 'ResourceNotFoundException',
    });
  });

  it('are of the one bus that there is', async () => {
    const { EventBuses } = await events.send(new ListEventBusesCommand({}));
    assert.deepEqual(
      EventBuses?.map(({ Name }) => Name),
      ['default'],
    );
    assert.match((await events.send(new DescribeEventBusCommand({}))).Arn ?? '', /:event-bus\/default$/);
    await assert.rejects(events.send(new DescribeEventBusCommand({ Name: 'other' })), {
      name: 'ResourceNotFoundException',
    });
  });

  it('run by a schedule', async () => {
    await events.send(new PutRuleCommand({ Name: 'hourly', ScheduleExpression: 'rate(1 hour)' }));
    const Targets = [{ Id: 'one', Arn: `${LAMBDA}bill` }];
    await events.send(new PutTargetsCommand({ Rule: 'hourly', Targets }));
    const path = `/apps/shop/triggers/${encodeURIComponent('schedule:hourly:one')}/run`;
    // Its clock starts a moment after the target was taken.
    await poll(async () => (await lambent.api('POST', path)).status === 200);
    const event = (await billed('Scheduled Event')) as Record<string, unknown>;
    assert.deepEqual(event.resources, ['arn:aws:events:us-east-1:000000000000:rule/hourly']);
  });

  it('on a bus of their own hear what is put there, and nothing else', async () => {
    const created = await events.send(new CreateEventBusCommand({ Name: 'partners', Description: 'others' }));
    const arn = 'arn:aws:events:us-east-1:000000000000:event-bus/partners';
    assert.equal(created.EventBusArn, arn);
    await assert.rejects(events.send(new CreateEventBusCommand({ Name: 'partners' })), {
      name: 'ResourceAlreadyExistsException',
    });
    const Tags = [{ Key: 'team', Value: 'sales' }];
    const other = await events.send(new CreateEventBusCommand({ Name: 'Other.bus_1', Tags }));
    const ResourceARN = other.EventBusArn!;
    const tagsOf = async (of = ResourceARN) =>
      (await events.send(new ListTagsForResourceCommand({ ResourceARN: of }))).Tags;
    await events.send(new TagResourceCommand({ ResourceARN, Tags: [{ Key: 'stage', Value: 'test' }] }));
    await events.send(new UntagResourceCommand({ ResourceARN, TagKeys: ['team'] }));
    assert.deepEqual(await tagsOf(), [{ Key: 'stage', Value: 'test' }]);
    const defaultArn = 'arn:aws:events:us-east-1:000000000000:event-bus/default';
    assert.deepEqual([await tagsOf(arn), await tagsOf(defaultArn)], [[], []]);
    await assert.rejects(tagsOf(`${arn}-not`), { name: 'ResourceNotFoundException' });
    await assert.rejects(events.send(new TagResourceCommand({ ResourceARN: defaultArn, Tags })), {
      name: 'ValidationException',
    });
    const { EventBuses } = await events.send(new ListEventBusesCommand({}));
    assert.deepEqual(
      EventBuses?.map(({ Name }) => Name),
      ['Other.bus_1', 'default', 'partners'],
    );
    const { Name, Arn, Description } = await events.send(new DescribeEventBusCommand({ Name: arn }));
    assert.deepEqual([Name, Arn, Description], ['partners', arn, 'others']);
    // The same name on two buses are two rules.
    for (const EventBusName of ['partners', undefined]) {
      const EventPattern = JSON.stringify({ 'detail-type': ['heard'] });
      const { RuleArn } = await events.send(new PutRuleCommand({ Name: 'same', EventBusName, EventPattern }));
      assert.equal(
        RuleArn?.endsWith(EventBusName === undefined ? ':rule/same' : ':rule/partners/same'),
        true,
      );
      const InputTransformer = {
        InputPathsMap: { mark: '$.detail.mark' },
        InputTemplate: `"bus ${EventBusName ?? 'default'} <mark>"`,
      };
      const DeadLetterConfig = { Arn: 'arn:aws:sqs:us-east-1:000000000000:dead' };
      const Targets = [{ Id: 'one', Arn: `${LAMBDA}bill`, InputTransformer, DeadLetterConfig }];
      await events.send(new PutTargetsCommand({ Rule: 'same', EventBusName, Targets }));
    }
    const { Targets } = await events.send(
      new ListTargetsByRuleCommand({ Rule: 'same', EventBusName: 'partners' }),
    );
    assert.match(Targets?.[0]?.DeadLetterConfig?.Arn ?? '', /:dead$/);
    const entry = (EventBusName: string | undefined, mark: string) => ({
      ...{ Source: 'test', DetailType: 'heard', EventBusName, Detail: JSON.stringify({ mark }) },
    });
    const Entries = [
      entry(arn, 'b1'),
      entry('default', 'b2'),
      entry('Other.bus_1', 'b3'),
      entry('none', 'b4'),
    ];
    const answer = await events.send(new PutEventsCommand({ Entries }));
    assert.equal(answer.FailedEntryCount, 1);
    assert.match(answer.Entries?.[3]?.ErrorMessage ?? '', /Event bus none does not exist/);
    // The trigger of a manifest that names the bus hears it as well.
    await Promise.all(
      ['billed "bus partners b1"', 'billed "bus default b2"', 'heard {"mark":"b1"}'].map((text) =>
        lambent.waitForLog((line) => line.text === text),
      ),
    );
  });

  it('of two buses are told apart, and a bus that has some is not deleted', async () => {
    await events.send(new DisableRuleCommand({ Name: 'same', EventBusName: 'partners' }));
    await events.send(new EnableRuleCommand({ Name: 'same', EventBusName: 'partners' }));
    const found = await events.send(new DescribeRuleCommand({ Name: 'same', EventBusName: 'partners' }));
    assert.deepEqual([found.State, found.EventBusName], ['ENABLED', 'partners']);
    for (const act of ['pause', 'resume']) {
      const path = `/apps/shop/triggers/${encodeURIComponent('rule:partners:same:one')}/${act}`;
      assert.equal((await lambent.api('POST', path)).status, 200);
    }
    for (const [refused, command] of [
      ['ValidationException', new DeleteEventBusCommand({ Name: 'partners' })],
      ['ValidationException', new DeleteEventBusCommand({ Name: 'default' })],
      [
        'ValidationException',
        new PutRuleCommand({ Name: 't', EventBusName: 'partners', ScheduleExpression: 'rate(1 hour)' }),
      ],
      ['ResourceNotFoundException', new DescribeEventBusCommand({ Name: 'none' })],
      [
        'ResourceNotFoundException',
        new PutRuleCommand({ Name: 't', EventBusName: 'none', EventPattern: '{"source":["a"]}' }),
      ],
      ['ResourceNotFoundException', new DescribeRuleCommand({ Name: 'same', EventBusName: 'Other.bus_1' })],
    ] as const)
      await assert.rejects(events.send(command as DescribeRuleCommand), { name: refused });
    await events.send(new RemoveTargetsCommand({ Rule: 'same', EventBusName: 'partners', Ids: ['one'] }));
    await events.send(new DeleteRuleCommand({ Name: 'same', EventBusName: 'partners' }));
    await events.send(new DeleteEventBusCommand({ Name: 'partners' }));
    await events.send(new DeleteEventBusCommand({ Name: 'Other.bus_1' }));
    // The rule of that name on the other bus is there still.
    assert.equal((await events.send(new DescribeRuleCommand({ Name: 'same' }))).Name, 'same');
  });

  it('are looked at, disabled and deleted', async () => {
    await rule('gone', 'gone', { Arn: `${LAMBDA}bill`, Input: '"never"' });
    await events.send(new DisableRuleCommand({ Name: 'gone' }));
    assert.equal((await events.send(new DescribeRuleCommand({ Name: 'gone' }))).State, 'DISABLED');
    await put('gone', {});
    await put('placed', { mark: 'm4' });
    await billed('m4');
    const { json } = await lambent.api('GET', '/triggers');
    const ids = (json as { items: { id: string }[] }).items.map(({ id }) => id);
    assert.deepEqual(
      [ids.includes('shop/rule:whole:one'), ids.includes('shop/rule:gone:one')],
      [true, false],
    );
    const { Targets } = await events.send(new ListTargetsByRuleCommand({ Rule: 'gone' }));
    assert.equal(Targets?.[0]?.Input, '"never"');
    await assert.rejects(events.send(new DeleteRuleCommand({ Name: 'gone' })), {
      name: 'ValidationException',
    });
    await events.send(new RemoveTargetsCommand({ Rule: 'gone', Ids: ['one'] }));
    await events.send(new DeleteRuleCommand({ Name: 'gone' }));
    await assert.rejects(events.send(new DescribeRuleCommand({ Name: 'gone' })), {
      name: 'ResourceNotFoundException',
    });
    const { Rules } = await events.send(new ListRulesCommand({ NamePrefix: 'g' }));
    assert.deepEqual(Rules, []);
  });

  it('a workflow as a destination starts with the outcome', async () => {
    const event = { specversion: '1.0', id: 'w', source: '/t', type: 'work', data: { number: 41 } };
    const headers = { 'content-type': 'application/cloudevents+json' };
    const body = JSON.stringify(event);
    assert.equal((await lambent.fetch('/_lambent/events', { method: 'POST', headers, body })).status, 202);
    await lambent.waitForLog(({ text }) => text === 'followed 42');
  });
});
