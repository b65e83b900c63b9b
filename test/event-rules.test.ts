import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  DeleteRuleCommand,
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
  work:
    on:
      - events: { type: [work] }
        onSuccess: { workflow: follow }
workflows:
  follow: {}
`,
  'functions/bill.js':
    'export const handler = async (event) => { console.log("billed " + JSON.stringify(event)); };',
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
