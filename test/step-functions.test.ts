import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  CreateStateMachineAliasCommand,
  CreateStateMachineCommand,
  DeleteStateMachineCommand,
  DeleteStateMachineVersionCommand,
  DescribeExecutionCommand,
  DescribeStateMachineAliasCommand,
  DescribeStateMachineCommand,
  DescribeStateMachineForExecutionCommand,
  GetExecutionHistoryCommand,
  ListExecutionsCommand,
  ListStateMachinesCommand,
  ListStateMachineVersionsCommand,
  ListTagsForResourceCommand,
  PublishStateMachineVersionCommand,
  RedriveExecutionCommand,
  StartExecutionCommand,
  SFNClient,
  StartSyncExecutionCommand,
  StopExecutionCommand,
  TagResourceCommand,
  TestStateCommand,
  UntagResourceCommand,
  UpdateStateMachineCommand,
  ValidateStateMachineDefinitionCommand,
} from '@aws-sdk/client-sfn';
import {
  errorOf,
  LAMBDA,
  one,
  openStepFunctionsBench,
  pass,
  ROLE,
  type StepFunctionsBench,
} from './step-functions-harness.ts';

/* The Step Functions API by AWS' own client, against a real platform: state machines and executions. */

let bench: StepFunctionsBench;
let sfn: StepFunctionsBench['sfn'];
let platform: StepFunctionsBench['platform'];
const start: StepFunctionsBench['start'] = (...given) => bench.start(...given);
const machine: StepFunctionsBench['machine'] = (...given) => bench.machine(...given);
const ended: StepFunctionsBench['ended'] = (...given) => bench.ended(...given);
const typesOf: StepFunctionsBench['typesOf'] = (...given) => bench.typesOf(...given);

before(async () => {
  bench = await openStepFunctionsBench();
  ({ sfn, platform } = bench);
});

after(() => bench.close());

describe('state machines', () => {
  test('create is idempotent, update makes a revision, delete removes', async () => {
    const create = (definition: object): Promise<{ stateMachineArn?: string | undefined }> =>
      sfn.send(
        new CreateStateMachineCommand({
          name: 'orders',
          definition: JSON.stringify(definition),
          roleArn: ROLE,
        }),
      );
    const { stateMachineArn } = await create(pass);
    assert.equal((await create(pass)).stateMachineArn, stateMachineArn);
    assert.equal(await errorOf(create(one({ Type: 'Succeed' }))), 'StateMachineAlreadyExists');
    const before = await sfn.send(new DescribeStateMachineCommand({ stateMachineArn }));
    assert.deepEqual(JSON.parse(before.definition!), pass);
    assert.deepEqual([before.status, before.type, before.name], ['ACTIVE', 'STANDARD', 'orders']);
    const definition = JSON.stringify(one({ Type: 'Succeed' }));
    const updated = await sfn.send(new UpdateStateMachineCommand({ stateMachineArn, definition }));
    const now = await sfn.send(new DescribeStateMachineCommand({ stateMachineArn }));
    assert.deepEqual([now.definition, now.revisionId], [definition, updated.revisionId]);
    const { stateMachines } = await sfn.send(new ListStateMachinesCommand({}));
    assert.ok(stateMachines?.some(({ name }) => name === 'orders'));
    await sfn.send(new DeleteStateMachineCommand({ stateMachineArn }));
    assert.equal(
      await errorOf(sfn.send(new DescribeStateMachineCommand({ stateMachineArn }))),
      'StateMachineDoesNotExist',
    );
  });

  test('a definition is refused with where it is wrong', async () => {
    const definition = JSON.stringify(one({ Type: 'Pass', Next: 'B' }));
    assert.equal(
      await errorOf(sfn.send(new CreateStateMachineCommand({ name: 'x', definition, roleArn: ROLE }))),
      'InvalidDefinition',
    );
    const { result, diagnostics } = await sfn.send(new ValidateStateMachineDefinitionCommand({ definition }));
    assert.equal(result, 'FAIL');
    assert.deepEqual(
      diagnostics?.map(({ code, location }) => [code, location]),
      [
        ['MISSING_TRANSITION_TARGET', '/States/A/Next'],
        ['MISSING_END_STATE', '/States'],
      ],
    );
    assert.equal(
      await errorOf(sfn.send(new CreateStateMachineCommand({ name: 'a b', definition, roleArn: ROLE }))),
      'InvalidName',
    );
    assert.equal(
      await errorOf(sfn.send(new StartExecutionCommand({ stateMachineArn: 'arn:aws:states:x' }))),
      'InvalidArn',
    );
  });

  test('a field beyond its bounds is refused with the bound, in the words of AWS', async () => {
    const stateMachineArn = await machine(one({ Type: 'Succeed' }));
    const list = (maxResults: number): Promise<unknown> =>
      sfn.send(new ListExecutionsCommand({ stateMachineArn, maxResults }));
    const begins = "1 validation error detected: Value '%' at 'maxResults' failed to satisfy constraint: ";
    for (const [given, bound] of [
      [1_001, 'less than or equal to 1000'],
      [-1, 'greater than or equal to 0'],
    ] as const)
      await assert.rejects(list(given), {
        name: 'ValidationException',
        message: `${begins.replace('%', String(given))}Member must have value ${bound}`,
      });
    const routingConfiguration = [{ stateMachineVersionArn: `${stateMachineArn}:1`, weight: 100 }];
    await assert.rejects(sfn.send(new CreateStateMachineAliasCommand({ name: '12', routingConfiguration })), {
      message: /at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: \^/,
    });
  });

  test('versions and aliases choose the definition', async () => {
    const stateMachineArn = await machine(one({ Type: 'Pass', Result: 1, End: true }));
    const first = await sfn.send(new PublishStateMachineVersionCommand({ stateMachineArn }));
    assert.match(first.stateMachineVersionArn!, /:1$/);
    const again = await sfn.send(new PublishStateMachineVersionCommand({ stateMachineArn }));
    assert.equal(again.stateMachineVersionArn, first.stateMachineVersionArn);
    const second = await sfn.send(
      new UpdateStateMachineCommand({
        stateMachineArn,
        definition: JSON.stringify(one({ Type: 'Pass', Result: 2, End: true })),
        publish: true,
      }),
    );
    const { stateMachineVersions } = await sfn.send(new ListStateMachineVersionsCommand({ stateMachineArn }));
    assert.deepEqual(
      stateMachineVersions?.map(({ stateMachineVersionArn }) => stateMachineVersionArn),
      [second.stateMachineVersionArn, first.stateMachineVersionArn],
    );
    const routingConfiguration = [{ stateMachineVersionArn: first.stateMachineVersionArn, weight: 100 }];
    const { stateMachineAliasArn } = await sfn.send(
      new CreateStateMachineAliasCommand({ name: 'live', routingConfiguration }),
    );
    const shown = await sfn.send(new DescribeStateMachineAliasCommand({ stateMachineAliasArn }));
    assert.deepEqual(shown.routingConfiguration, routingConfiguration);
    const outputs = [];
    for (const arn of [stateMachineArn, second.stateMachineVersionArn, stateMachineAliasArn]) {
      const { executionArn } = await sfn.send(new StartExecutionCommand({ stateMachineArn: arn }));
      outputs.push((await ended(executionArn!)).output);
    }
    assert.deepEqual(outputs, ['2', '2', '1']);
    const { executions } = await sfn.send(
      new ListExecutionsCommand({ stateMachineArn: stateMachineAliasArn }),
    );
    assert.equal(executions?.length, 1);
    const inUse = sfn.send(
      new DeleteStateMachineVersionCommand({ stateMachineVersionArn: first.stateMachineVersionArn }),
    );
    assert.equal(await errorOf(inUse), 'ConflictException');
  });

  test('tags', async () => {
    const resourceArn = await machine(pass);
    await sfn.send(
      new TagResourceCommand({
        resourceArn,
        tags: [
          { key: 'a', value: '1' },
          { key: 'b', value: '2' },
        ],
      }),
    );
    await sfn.send(new UntagResourceCommand({ resourceArn, tagKeys: ['a'] }));
    const { tags } = await sfn.send(new ListTagsForResourceCommand({ resourceArn }));
    assert.deepEqual(tags, [{ key: 'b', value: '2' }]);
  });
});

describe('executions', () => {
  test('the same name and input is the same execution while it runs', async () => {
    const stateMachineArn = await machine(one({ Type: 'Wait', Seconds: 60, End: true }));
    const begin = (input: string): Promise<{ executionArn?: string | undefined }> =>
      sfn.send(new StartExecutionCommand({ stateMachineArn, name: 'first', input }));
    const { executionArn } = await begin('{"a":1}');
    assert.equal((await begin('{"a":1}')).executionArn, executionArn);
    assert.equal(await errorOf(begin('{"a":2}')), 'ExecutionAlreadyExists');
    assert.equal(await errorOf(begin('{')), 'InvalidExecutionInput');
    assert.equal(await errorOf(begin('['.repeat(100_000) + ']'.repeat(100_000))), 'InvalidExecutionInput');
    await sfn.send(new StopExecutionCommand({ executionArn, error: 'Enough', cause: 'tired' }));
    const { status, error, cause, stopDate } = await sfn.send(new DescribeExecutionCommand({ executionArn }));
    assert.deepEqual([status, error, cause], ['ABORTED', 'Enough', 'tired']);
    assert.ok(stopDate instanceof Date);
    assert.equal((await typesOf(executionArn!)).at(-1), 'ExecutionAborted');
    assert.equal(await errorOf(begin('{"a":1}')), 'ExecutionAlreadyExists');
    const aborted = await sfn.send(new ListExecutionsCommand({ stateMachineArn, statusFilter: 'ABORTED' }));
    assert.deepEqual(
      aborted.executions?.map(({ name }) => name),
      ['first'],
    );
    const { definition } = await sfn.send(new DescribeStateMachineForExecutionCommand({ executionArn }));
    assert.match(definition!, /Wait/);
  });

  test('history comes in pages and backwards', async () => {
    const executionArn = await start({
      StartAt: 'A',
      States: { A: { Type: 'Pass', Next: 'B' }, B: { Type: 'Pass', End: true } },
    });
    await ended(executionArn);
    const ids: number[] = [];
    let nextToken: string | undefined;
    do {
      const page = await sfn.send(
        new GetExecutionHistoryCommand({
          executionArn,
          maxResults: 4,
          reverseOrder: true,
          ...(nextToken && { nextToken }),
        }),
      );
      ids.push(...page.events!.map(({ id }) => id!));
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
    assert.deepEqual(ids, [6, 5, 4, 3, 2, 1]);
    const { events } = await sfn.send(
      new GetExecutionHistoryCommand({ executionArn, includeExecutionData: false }),
    );
    assert.equal(events![1]!.stateEnteredEventDetails?.name, 'A');
    assert.equal(events![1]!.stateEnteredEventDetails?.input, undefined);
  });

  test('an EXPRESS execution answers at once', async () => {
    const stateMachineArn = await machine(one({ Type: 'Task', Resource: `${LAMBDA}double`, End: true }), {
      type: 'EXPRESS',
    });
    const { status, output } = await sfn.send(
      new StartSyncExecutionCommand({ stateMachineArn, input: '{"n":4}' }),
    );
    assert.deepEqual([status, output], ['SUCCEEDED', '{"n":8}']);
    const standard = await machine(pass);
    assert.equal(
      await errorOf(sfn.send(new StartSyncExecutionCommand({ stateMachineArn: standard }))),
      'StateMachineTypeNotSupported',
    );
  });

  test("a call finds its way with the prefix that AWS' clients put before the host, where that name leads here", async () => {
    const { port } = platform;
    const asked: string[] = [];
    // As an entry in /etc/hosts would.
    const lookup = (
      name: string,
      _options: object,
      found: (error: null, addresses: object[]) => void,
    ): void => {
      asked.push(name);
      found(null, [{ address: '127.0.0.1', family: 4 }]);
    };
    const client = new SFNClient({
      endpoint: `http://localhost:${port}`,
      region: 'us-east-1',
      credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
      maxAttempts: 1,
      requestHandler: { httpAgent: { lookup } as object },
    });
    const stateMachineArn = await machine(pass, { type: 'EXPRESS' });
    const done = await client.send(new StartSyncExecutionCommand({ stateMachineArn, input: '{"n":4}' }));
    assert.deepEqual([done.status, done.output], ['SUCCEEDED', '{"n":4}']);
    assert.deepEqual([...new Set(asked)], ['sync-localhost']);
    client.destroy();
  });

  test('a failed execution is redriven from the state that failed', async () => {
    const executionArn = await start(
      {
        StartAt: 'A',
        States: {
          A: { Type: 'Pass', Next: 'B' },
          B: { Type: 'Task', Resource: `${LAMBDA}moody`, Parameters: { until: 2 }, End: true },
        },
      },
      {},
    );
    assert.equal((await ended(executionArn)).status, 'FAILED');
    await sfn.send(new RedriveExecutionCommand({ executionArn }));
    const { output, redriveCount } = await ended(executionArn);
    assert.deepEqual([output, redriveCount], ['2', 1]);
    const types = await typesOf(executionArn);
    assert.equal(types.filter((type) => type === 'PassStateEntered').length, 1);
    assert.equal(types[types.indexOf('ExecutionRedriven') - 1], 'ExecutionFailed');
    assert.equal(
      await errorOf(sfn.send(new RedriveExecutionCommand({ executionArn }))),
      'ExecutionNotRedrivable',
    );
  });
});

test('one state is tried without an execution', async () => {
  const definition = JSON.stringify({
    Type: 'Task',
    Resource: `${LAMBDA}double`,
    ResultPath: '$.r',
    Next: 'B',
    Catch: [{ ErrorEquals: ['X'], Next: 'C' }],
  });
  const roleArn = ROLE;
  const good = await sfn.send(
    new TestStateCommand({ definition, roleArn, input: '{"n":1}', mock: { result: '{"n":2}' } }),
  );
  assert.deepEqual([good.status, good.output, good.nextState], ['SUCCEEDED', '{"n":1,"r":{"n":2}}', 'B']);
  const caught = await sfn.send(
    new TestStateCommand({ definition, roleArn, mock: { errorOutput: { error: 'X', cause: 'y' } } }),
  );
  assert.deepEqual([caught.status, caught.error, caught.nextState], ['CAUGHT_ERROR', 'X', 'C']);
  const failed = await sfn.send(
    new TestStateCommand({ definition, roleArn, mock: { errorOutput: { error: 'Y', cause: 'y' } } }),
  );
  assert.deepEqual([failed.status, failed.error], ['FAILED', 'Y']);
});

test('the task of a tried state is carried out where nothing is given in place of it', async () => {
  const tried = (state: object, more: object = {}) =>
    sfn.send(
      new TestStateCommand({
        definition: JSON.stringify({ Type: 'Task', End: true, ...state }),
        roleArn: ROLE,
        ...more,
      }),
    );
  const plain = await tried({ Resource: `${LAMBDA}double` }, { input: '{"n":2}' });
  assert.deepEqual([plain.status, plain.output], ['SUCCEEDED', '{"n":4}']);
  const service = { Resource: 'arn:aws:states:::lambda:invoke', OutputPath: '$.Payload' };
  const wrapped = await tried(
    { ...service, Parameters: { FunctionName: 'double', 'Payload.$': '$' } },
    { input: '{"n":3}' },
  );
  assert.deepEqual([wrapped.status, wrapped.output], ['SUCCEEDED', '{"n":6}']);
  const nobody = await tried({
    Resource: `${LAMBDA}nobody`,
    Retry: [{ ErrorEquals: ['Lambda.ResourceNotFoundException'] }],
  });
  assert.deepEqual([nobody.status, nobody.error], ['RETRIABLE', 'Lambda.ResourceNotFoundException']);
  const http = {
    Resource: 'arn:aws:states:::http:invoke',
    Parameters: { ApiEndpoint: 'http://127.0.0.1:9/x', Method: 'GET', QueryParameters: { a: 1 } },
  };
  const traced = await tried(http, { inspectionLevel: 'TRACE' });
  const { request, response } = traced.inspectionData!;
  assert.deepEqual([traced.status, traced.error], ['FAILED', 'States.Http.Socket']);
  assert.deepEqual([request?.method, request?.url, response], ['GET', 'http://127.0.0.1:9/x?a=1', undefined]);
  assert.equal((await tried(http, { inspectionLevel: 'DEBUG' })).inspectionData?.request, undefined);
  const waits = tried({ Resource: 'arn:aws:states:us-east-1:000000000000:activity:a' });
  await assert.rejects(waits, /give what it answers as `mock`/);
});

test('a state shows what it makes of its data, and which entry takes its error', async () => {
  const definition = JSON.stringify({
    Type: 'Task',
    Resource: 'arn:aws:states:::lambda:invoke',
    InputPath: '$.order',
    Parameters: { 'id.$': '$.id', 'by.$': '$$.Execution.Name' },
    ResultSelector: { 'sum.$': '$.sum' },
    ResultPath: '$.paid',
    OutputPath: '$.paid',
    Retry: [{ ErrorEquals: ['Busy'], IntervalSeconds: 3, MaxAttempts: 2, BackoffRate: 2 }],
    Catch: [
      { ErrorEquals: ['Other'], Next: 'C' },
      { ErrorEquals: ['States.ALL'], Next: 'C' },
    ],
    End: true,
  });
  const given = { definition, roleArn: ROLE, input: '{"order":{"id":7}}' };
  const context = '{"Execution":{"Name":"mine"}}';
  const looked = await sfn.send(
    new TestStateCommand({ ...given, context, inspectionLevel: 'DEBUG', mock: { result: '{"sum":9}' } }),
  );
  assert.equal(looked.output, '{"sum":9}');
  const { input, afterInputPath, afterParameters, result, afterResultSelector, afterResultPath } =
    looked.inspectionData!;
  assert.deepEqual(
    [input, afterInputPath, afterParameters, result, afterResultSelector, afterResultPath],
    [
      '{"order":{"id":7}}',
      '{"id":7}',
      '{"id":7,"by":"mine"}',
      '{"sum":9}',
      '{"sum":9}',
      '{"order":{"id":7},"paid":{"sum":9}}',
    ],
  );
  const plain = await sfn.send(new TestStateCommand({ ...given, mock: { result: '{"sum":9}' } }));
  assert.equal(plain.inspectionData, undefined);
  const busy = {
    ...given,
    inspectionLevel: 'DEBUG',
    mock: { errorOutput: { error: 'Busy', cause: '' } },
  } as const;
  const again = await sfn.send(
    new TestStateCommand({ ...busy, stateConfiguration: { retrierRetryCount: 1 } }),
  );
  assert.deepEqual(
    [again.status, again.inspectionData?.errorDetails],
    ['RETRIABLE', { retryIndex: 0, retryBackoffIntervalSeconds: 6 }],
  );
  const enough = await sfn.send(
    new TestStateCommand({ ...busy, stateConfiguration: { retrierRetryCount: 2 } }),
  );
  assert.deepEqual(
    [enough.status, enough.nextState, enough.inspectionData?.errorDetails],
    ['CAUGHT_ERROR', 'C', { catchIndex: 1 }],
  );
});

test('bad calls are refused by name', async () => {
  const call = async (target: string, body: string): Promise<{ status: number; type: string }> => {
    const response = await fetch(platform.url, {
      method: 'POST',
      headers: { 'x-amz-target': target, 'content-type': 'application/x-amz-json-1.0' },
      body,
    });
    return { status: response.status, type: ((await response.json()) as { __type: string }).__type };
  };
  assert.deepEqual(await call('AWSStepFunctions.Nope', '{}'), {
    status: 400,
    type: 'UnknownOperationException',
  });
  assert.deepEqual(await call('AWSStepFunctions.StartExecution', '{'), {
    status: 400,
    type: 'SerializationException',
  });
  assert.deepEqual(await call('AWSStepFunctions.StartExecution', '{}'), {
    status: 400,
    type: 'ValidationException',
  });
  assert.deepEqual(await call('AWSStepFunctions.StartExecution', '{"stateMachineArn":7}'), {
    status: 400,
    type: 'ValidationException',
  });
  const foreign = await fetch(platform.url, {
    method: 'POST',
    headers: { 'x-amz-target': 'AWSStepFunctions.ListStateMachines', origin: 'https://evil.example' },
    body: '{}',
  });
  assert.equal(foreign.status, 403);
});
