import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  CreateStateMachineCommand,
  DeleteStateMachineCommand,
  DescribeExecutionCommand,
  DescribeStateMachineCommand,
  GetExecutionHistoryCommand,
  ListExecutionsCommand,
  ListStateMachinesCommand,
  StartExecutionCommand,
  StopExecutionCommand,
  UpdateStateMachineCommand,
} from '@aws-sdk/client-sfn';
import { createStyle } from '../src/cli/output.ts';
import { executionTree } from '../src/cli/run-tree.ts';
import { packApp } from '../src/functions/pack.ts';
import { startTestPlatform, type TestPlatform, writeApp } from './platform-harness.ts';
import { clientOf, errorOf, pass, ROLE } from './step-functions-harness.ts';

/** State machines as a part of an app: `workflows.NAME.definition` in its manifest. */

const definition = (greeting: string): string => `{
  "StartAt": "Both",
  "States": {
    "Both": {
      "Type": "Parallel",
      "Branches": [
        { "StartAt": "Double", "States": { "Double": {
          "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:000000000000:function:double", "End": true } } },
        { "StartAt": "Greet", "States": { "Greet": { "Type": "Pass", "Result": "${greeting}", "End": true } } }
      ],
      "Next": "Await"
    },
    "Await": { "Type": "Wait", "SecondsPath": "$[0].wait", "Next": "Even" },
    "Even": { "Type": "Choice", "Choices": [
      { "Variable": "$[0].n", "NumericLessThan": 0, "Next": "Refuse" } ], "Default": "Done" },
    "Refuse": { "Type": "Fail", "Error": "Negative", "Cause": "below zero" },
    "Done": { "Type": "Pass", "End": true }
  }
}`;

const MANIFEST = `
app: shop
functions:
  double: { routes: [] }
  asks: {}
workflows:
  order:
    definition: machines/order.asl.json
    routes: ["POST /orders"]
    on:
      - events: { type: [order.placed] }
  outer: { on: [{ events: { type: [outer.wanted] } }] }
`;

const FILES = {
  'lambent.yaml': MANIFEST,
  'machines/order.asl.json': definition('hello'),
  'functions/double.js':
    'export const handler = async ({ n = 0, wait = 0, data }) => ({ n: (data?.n ?? n) * 2, wait });',
  'functions/asks.js': `import { invoke } from 'lambent';
export const handler = async () => await invoke('order', { n: 4 });`,
  'workflows/outer.js': `import { workflow } from 'lambent';
export default workflow(async (ctx, input) => ({ inner: await ctx.child('order', { n: input.data?.n ?? input.n ?? 3 }).result }));`,
};

interface Execution {
  readonly id: string;
  readonly workflow: string;
  readonly kind: string;
  readonly deployment: number;
  readonly status: string;
}

let lambent: TestPlatform;
before(async () => {
  lambent = await startTestPlatform();
  const { error } = await upload({});
  assert.equal(error, undefined);
});
after(() => lambent.close());

/** Deploys the app with these files changed. */
async function upload(files: Record<string, string>): Promise<{ error?: { code: string; message: string } }> {
  const folder = await writeApp(join(lambent.folder, 'upload'), { ...FILES, ...files });
  const body = Buffer.concat(await Array.fromAsync(packApp(folder)));
  const response = await lambent.fetch('/_lambent/api/v1/deployments', { method: 'POST', body });
  const last = (await response.text()).trimEnd().split('\n').at(-1)!;
  return JSON.parse(last) as { error?: { code: string; message: string } };
}

const start = async (name: string, input: unknown, query = 'wait=20') =>
  (await lambent.api('POST', `/apps/shop/workflows/${name}/executions?${query}`, input)).json as {
    id: string;
    status: string;
    output?: unknown;
    error?: { errorType: string };
  };

async function tree(id: string): Promise<string> {
  const record = (await lambent.api('GET', `/executions/${id}`)).json;
  const { items } = (await lambent.api('GET', `/executions/${id}/steps`)).json as { items: never[] };
  return executionTree(
    record,
    items,
    undefined,
    createStyle({ isTerminal: false, write: () => {} } as never, {}),
  );
}

/** The first execution of a workflow that an event started, once it has ended. */
async function endedBy(workflow: string, type: string, data: unknown): Promise<unknown> {
  const known = await idsOf(workflow);
  const response = await lambent.fetch('/_lambent/events', {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify({ specversion: '1.0', id: type, source: 'test', type, data }),
  });
  assert.equal(response.status, 202, await response.text());
  for (const deadlineMs = Date.now() + 10_000; Date.now() < deadlineMs; ) {
    const id = [...(await idsOf(workflow))].find((each) => !known.has(each));
    if (id !== undefined)
      return ((await lambent.api('GET', `/executions/${id}/result?wait=20`)).json as { output: unknown })
        .output;
  }
  return assert.fail('no execution was started');
}

async function idsOf(workflow: string): Promise<Set<string>> {
  const { items } = (await lambent.api('GET', `/executions?workflow=${workflow}`)).json as {
    items: Execution[];
  };
  return new Set(items.map(({ id }) => id));
}

describe('a definition in an app', { timeout: 60_000 }, () => {
  it('runs by its name, with functions of its own app, and is shown as its states', async () => {
    const { id, output } = await start('order', { n: 21 });
    assert.deepEqual(output, [{ n: 42, wait: 0 }, 'hello']);
    const record = (await lambent.api('GET', `/executions/${id}`)).json as Execution;
    assert.deepEqual([record.kind, record.workflow, record.status], ['asl', 'order', 'succeeded']);
    const lines = (await tree(id)).split('\n').map((line) => line.replace(/ {2}[\d.]+ m?s$/, ''));
    assert.deepEqual(lines.slice(1, 7), [
      '  ✓ Both',
      '    ✓ Double',
      '    ✓ Greet',
      '  ✓ Await',
      '  ✓ Even',
      '  ✓ Done',
    ]);
  });

  it('fails with the error of its Fail state, which the tree names', async () => {
    const { id, status, error } = await start('order', { n: -1 });
    assert.deepEqual([status, error?.errorType], ['failed', 'Negative']);
    assert.match(await tree(id), /✗ Refuse[\s\S]*Negative: below zero/);
  });

  it('is started by a request, and twice with one key is once', async () => {
    const post = (headers: Record<string, string>, body: string) =>
      lambent.fetch('/orders', { method: 'POST', body, headers });
    const first = await post({ 'idempotency-key': 'one' }, '{"n":1}');
    assert.equal(first.status, 200);
    assert.ok(Number(first.headers.get('content-length')) > 0, 'the connection stays usable');
    assert.deepEqual(await first.json(), [{ n: 2, wait: 0 }, 'hello']);
    const again = await post({ 'idempotency-key': 'one' }, '{"n":1}');
    assert.equal(again.headers.get('lambent-execution'), first.headers.get('lambent-execution'));
    assert.equal((await post({ 'idempotency-key': 'one' }, '{"n":2}')).status, 409);
    assert.equal((await post({ prefer: 'respond-async' }, '{"n":1}')).status, 202);
    assert.equal((await post({}, '{"n":')).status, 400);
    const failed = await post({}, '{"n":-1}');
    assert.equal(failed.status, 500);
    const large = await post({}, JSON.stringify({ n: 1, text: 'x'.repeat(200_000) }));
    assert.deepEqual(await large.json(), [{ n: 2, wait: 0 }, 'hello']);
  });

  it('is started by an event, as durable code is', async () => {
    assert.deepEqual(await endedBy('order', 'order.placed', { n: 5 }), [{ n: 10, wait: 0 }, 'hello']);
    const outer = { inner: [{ n: 6, wait: 0 }, 'hello'] };
    assert.deepEqual(await endedBy('outer', 'outer.wanted', {}), outer);
  });

  it('is called by durable code and by a function', async () => {
    assert.deepEqual((await start('outer', { n: 2 })).output, { inner: [{ n: 4, wait: 0 }, 'hello'] });
    const response = await lambent.fetch('/asks');
    assert.deepEqual(await response.json(), [{ n: 8, wait: 0 }, 'hello']);
  });

  it('stays on the definition that it began with', async () => {
    const { id } = await start('order', { n: 1, wait: 2 }, '');
    await upload({ 'machines/order.asl.json': definition('later') });
    assert.deepEqual((await start('order', { n: 1 })).output, [{ n: 2, wait: 0 }, 'later']);
    const old = (await lambent.api('GET', `/executions/${id}/result?wait=20`)).json as { output: unknown };
    assert.deepEqual(old.output, [{ n: 2, wait: 2 }, 'hello']);
  });

  const refused = async (files: Record<string, string>): Promise<{ code: string; message: string }> => {
    const { error } = await upload(files);
    assert.ok(error !== undefined, 'it is refused');
    return error;
  };

  it('is refused at the deploy with file, line, column and pointer', async () => {
    const wrong = definition('hello').replace('"Next": "Await"', '"Next": "Nowhere"');
    const { code, message } = await refused({ 'machines/order.asl.json': wrong });
    assert.equal(code, 'E_INVALID_DEFINITION', message);
    assert.match(message, /machines\/order\.asl\.json:11:7: [^\n]*Nowhere[^\n]*\/States\/Both\/Next/);
    const cut = await refused({ 'machines/order.asl.json': '{\n  "StartAt": \n' });
    assert.match(cut.message, /machines\/order\.asl\.json:\d+:\d+: The definition is not JSON/);
  });

  it('is refused in a manifest that says what a definition cannot have', async () => {
    const with_ = (line: string) => ({ 'lambent.yaml': `app: shop\nworkflows:\n  order: { ${line} }\n` });
    const both = await refused(with_('definition: machines/order.asl.json, memory: 1gb'));
    assert.match(both.message, /a workflow with a `definition` has no `memory`/);
    assert.match((await refused(with_('definition: ../order.json'))).message, /inside the app/);
    assert.match(
      (await refused(with_('definition: none.json'))).message,
      /workflows\.order\.definition|does not exist/,
    );
  });

  it('is a state machine of the API of AWS, which looks, starts and stops, and changes nothing', async () => {
    const sfn = clientOf(lambent.url);
    const stateMachineArn = 'arn:aws:states:us-east-1:000000000000:stateMachine:shop--order';
    await sfn.send(
      new CreateStateMachineCommand({ name: 'zz', roleArn: ROLE, definition: JSON.stringify(pass) }),
    );
    const names: (string | undefined)[] = [];
    let nextToken: string | undefined;
    do {
      const page = await sfn.send(new ListStateMachinesCommand({ maxResults: 1, nextToken }));
      names.push(...page.stateMachines!.map(({ name }) => name));
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
    assert.deepEqual(names, ['shop--order', 'zz']);
    const described = await sfn.send(new DescribeStateMachineCommand({ stateMachineArn }));
    assert.equal(described.name, 'shop--order');
    assert.ok('Await' in (JSON.parse(described.definition!) as { States: object }).States);

    // Begun by the platform: known by its id. Begun by the API: by its name, which it has once.
    const { json } = await lambent.api('POST', '/apps/shop/workflows/order/executions?wait=20', { n: 2 });
    const { id } = json as Execution;
    const own = `arn:aws:states:us-east-1:000000000000:execution:order:${id}`;
    const looked = await sfn.send(new DescribeExecutionCommand({ executionArn: own }));
    assert.deepEqual([looked.status, looked.input], ['SUCCEEDED', '{"n":2}']);
    const { events } = await sfn.send(new GetExecutionHistoryCommand({ executionArn: own }));
    assert.equal(events?.at(-1)?.type, 'ExecutionSucceeded');
    const named = { stateMachineArn, name: 'first', input: '{"n":3,"wait":600}' };
    const { executionArn } = await sfn.send(new StartExecutionCommand(named));
    assert.match(executionArn!, /:execution:shop--order:first$/);
    assert.equal((await sfn.send(new StartExecutionCommand(named))).executionArn, executionArn);
    await sfn.send(new StopExecutionCommand({ executionArn, error: 'Enough', cause: 'said so' }));
    const stopped = await sfn.send(new DescribeExecutionCommand({ executionArn }));
    assert.deepEqual([stopped.status, stopped.error, stopped.cause], ['ABORTED', 'Enough', 'said so']);
    const listed = await sfn.send(new ListExecutionsCommand({ stateMachineArn }));
    const arns = listed.executions!.map((each) => each.executionArn);
    assert.ok(arns.includes(executionArn));
    assert.ok(arns.includes(`arn:aws:states:us-east-1:000000000000:execution:shop--order:${id}`));
    assert.equal(listed.executions!.find((each) => each.executionArn === executionArn)?.status, 'ABORTED');

    for (const call of [
      sfn.send(new UpdateStateMachineCommand({ stateMachineArn, definition: JSON.stringify(pass) })),
      sfn.send(new DeleteStateMachineCommand({ stateMachineArn })),
    ])
      assert.equal(await errorOf(call), 'ConflictException');
    sfn.destroy();
  });
});
