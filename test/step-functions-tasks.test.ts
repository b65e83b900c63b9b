import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { CreateEventBusCommand, EventBridgeClient } from '@aws-sdk/client-eventbridge';
import {
  CreateActivityCommand,
  DescribeExecutionCommand,
  DescribeMapRunCommand,
  GetActivityTaskCommand,
  GetExecutionHistoryCommand,
  ListExecutionsCommand,
  ListMapRunsCommand,
  SendTaskFailureCommand,
  SendTaskHeartbeatCommand,
  SendTaskSuccessCommand,
  StopExecutionCommand,
  UpdateMapRunCommand,
} from '@aws-sdk/client-sfn';
import {
  errorOf,
  LAMBDA,
  one,
  pass,
  openStepFunctionsBench,
  type StepFunctionsBench,
} from './step-functions-harness.ts';

/* The Step Functions API by AWS' own client, against a real platform: what tasks do. */

let bench: StepFunctionsBench;
let sfn: StepFunctionsBench['sfn'];
let platform: StepFunctionsBench['platform'];
const start: StepFunctionsBench['start'] = (...given) => bench.start(...given);
const machine: StepFunctionsBench['machine'] = (...given) => bench.machine(...given);
const until: StepFunctionsBench['until'] = (...given) => bench.until(...given);
const ended: StepFunctionsBench['ended'] = (...given) => bench.ended(...given);
const typesOf: StepFunctionsBench['typesOf'] = (...given) => bench.typesOf(...given);

before(async () => {
  bench = await openStepFunctionsBench();
  ({ sfn, platform } = bench);
});

after(() => bench.close());

const waitThenFail = {
  StartAt: 'W',
  States: { W: { Type: 'Wait', Seconds: 1, Next: 'F' }, F: { Type: 'Fail', Error: 'Enough' } },
};

describe('tasks', () => {
  test('functions by ARN and by lambda:invoke; their errors by name', async () => {
    const invoke = {
      Type: 'Task',
      Resource: 'arn:aws:states:::lambda:invoke',
      Parameters: { FunctionName: 'shop--double', 'Payload.$': '$' },
      OutputPath: '$.Payload',
      End: true,
    };
    assert.equal((await ended(await start(one(invoke), { n: 3 }))).output, '{"n":6}');
    const { error, cause } = await ended(
      await start(one({ Type: 'Task', Resource: `${LAMBDA}broken`, End: true })),
    );
    assert.equal(error, 'Broken');
    assert.equal((JSON.parse(cause!) as { errorMessage: string }).errorMessage, 'no luck');
    const gone = await ended(await start(one({ Type: 'Task', Resource: `${LAMBDA}nowhere`, End: true })));
    assert.equal(gone.error, 'Lambda.ResourceNotFoundException');
  });

  test('an invocation that is not waited for', async () => {
    const invoke = (name: string): object =>
      one({
        Type: 'Task',
        Resource: 'arn:aws:states:::lambda:invoke',
        Parameters: { FunctionName: name, InvocationType: 'Event', 'Payload.$': '$' },
        End: true,
      });
    const { output } = await ended(await start(invoke('double'), { n: 4 }));
    const { StatusCode, Payload } = JSON.parse(output!) as { StatusCode: number; Payload: unknown };
    assert.deepEqual([StatusCode, Payload], [202, '']);
    const record = await platform.waitForInvocation(({ trigger }) => trigger === 'async');
    assert.deepEqual([record.function, record.status, record.attempt], ['double', 'ok', 1]);
    const gone = await ended(await start(invoke('nowhere')));
    assert.equal(gone.error, 'Lambda.ResourceNotFoundException');
  });

  test('an activity: a worker takes it, says that it lives, and answers', async () => {
    const { activityArn } = await sfn.send(new CreateActivityCommand({ name: 'approve' }));
    const polled = sfn.send(new GetActivityTaskCommand({ activityArn, workerName: 'ada' }));
    const executionArn = await start(
      one({ Type: 'Task', Resource: activityArn!, HeartbeatSeconds: 30, End: true }),
      { n: 1 },
    );
    const { taskToken, input } = await polled;
    assert.equal(input, '{"n":1}');
    await sfn.send(new SendTaskHeartbeatCommand({ taskToken }));
    await sfn.send(new SendTaskSuccessCommand({ taskToken, output: '"yes"' }));
    assert.equal((await ended(executionArn)).output, '"yes"');
    assert.deepEqual((await typesOf(executionArn)).slice(2, 5), [
      'ActivityScheduled',
      'ActivityStarted',
      'ActivitySucceeded',
    ]);
    const late = sfn.send(new SendTaskSuccessCommand({ taskToken, output: '1' }));
    assert.equal(await errorOf(late), 'TaskTimedOut');
    assert.equal(
      await errorOf(sfn.send(new SendTaskSuccessCommand({ taskToken: 'nonsense', output: '1' }))),
      'InvalidToken',
    );
    const forged = `${taskToken!.slice(0, -3)}xyz`;
    assert.equal(
      await errorOf(sfn.send(new SendTaskSuccessCommand({ taskToken: forged, output: '1' }))),
      'InvalidToken',
    );
  });

  test('a task token is answered from outside', async () => {
    const state = {
      Type: 'Task',
      Resource: 'arn:aws:states:::lambda:invoke.waitForTaskToken',
      Parameters: { FunctionName: 'double', Payload: { n: 1, 'token.$': '$$.Task.Token' } },
      Catch: [{ ErrorEquals: ['Refused'], Next: 'B' }],
      Next: 'B',
    };
    const executionArn = await start({ StartAt: 'A', States: { A: state, B: { Type: 'Pass', End: true } } });
    await until(executionArn, async () => (await typesOf(executionArn)).includes('TaskSubmitted'));
    const { events } = await sfn.send(new GetExecutionHistoryCommand({ executionArn }));
    const scheduled = events!.find(({ type }) => type === 'TaskScheduled')!.taskScheduledEventDetails!;
    const { Payload } = JSON.parse(scheduled.parameters!) as { Payload: { token: string } };
    await sfn.send(
      new SendTaskFailureCommand({ taskToken: Payload.token, error: 'Refused', cause: 'by Bob' }),
    );
    assert.deepEqual(JSON.parse((await ended(executionArn)).output!), { Error: 'Refused', Cause: 'by Bob' });
  });

  test("a child execution is waited for, and its failure is the task's", async () => {
    const choice = {
      StartAt: 'C',
      States: {
        C: {
          Type: 'Choice',
          Choices: [{ Variable: '$.fail', BooleanEquals: true, Next: 'F' }],
          Default: 'S',
        },
        F: { Type: 'Fail', Error: 'Child', Cause: 'said no' },
        S: { Type: 'Pass', Result: { done: true }, End: true },
      },
    };
    const stateMachineArn = await machine(choice);
    const parent = one({
      Type: 'Task',
      Resource: 'arn:aws:states:::states:startExecution.sync:2',
      Parameters: { StateMachineArn: stateMachineArn, 'Input.$': '$' },
      OutputPath: '$.Output',
      End: true,
    });
    assert.equal((await ended(await start(parent, { fail: false }))).output, '{"done":true}');
    const failed = await ended(await start(parent, { fail: true }));
    assert.equal(failed.error, 'States.TaskFailed');
    assert.equal((JSON.parse(failed.cause!) as { Error: string }).Error, 'Child');
    const nowhere = one({
      Type: 'Task',
      Resource: 'arn:aws:states:::states:startExecution.sync',
      Parameters: { StateMachineArn: 'arn:aws:states:us-east-1:1:stateMachine:nowhere' },
      End: true,
    });
    assert.equal((await ended(await start(nowhere))).error, 'Sfn.StateMachineDoesNotExistException');
  });

  test('a child execution is stopped with whoever waits for it, and told why', async () => {
    const stateMachineArn = await machine(one({ Type: 'Wait', Seconds: 3_600, End: true }));
    const task = (more: object): object => ({
      Type: 'Task',
      Resource: 'arn:aws:states:::states:startExecution.sync',
      Parameters: { StateMachineArn: stateMachineArn },
      ...more,
    });
    const childOf = async (parent: string): Promise<string> => {
      let child: string | undefined;
      await until(parent, async () => {
        const { executions } = await sfn.send(
          new ListExecutionsCommand({ stateMachineArn, statusFilter: 'RUNNING' }),
        );
        child = executions?.[0]?.executionArn;
        return child !== undefined;
      });
      return child!;
    };
    const stopped = await start(one(task({ End: true })));
    const first = await childOf(stopped);
    await sfn.send(new StopExecutionCommand({ executionArn: stopped, error: 'Changed', cause: 'our mind' }));
    const child = await ended(first);
    assert.equal(child.status, 'ABORTED');
    assert.match(child.cause!, /^execution [0-9a-f-]{36} waits for it no longer$/);
    assert.equal((await ended(stopped)).cause, 'our mind');
    // A branch that is given up, because another one failed.
    const failing = await start({
      StartAt: 'P',
      States: {
        P: {
          Type: 'Parallel',
          Branches: [one(task({ End: true })), waitThenFail],
          End: true,
        },
      },
    });
    const second = await childOf(failing);
    assert.equal((await ended(second)).status, 'ABORTED');
    assert.equal((await ended(failing)).error, 'Enough');
    // One that only took too long.
    const late = await start(one(task({ TimeoutSeconds: 1, End: true })));
    assert.equal((await ended(await childOf(late))).status, 'ABORTED');
    assert.equal((await ended(late)).status, 'FAILED');
  });

  test('an HTTP endpoint', async () => {
    const server: Server = createServer((request, response) => {
      response.writeHead(request.url === '/bad' ? 409 : 200, { 'content-type': 'application/json' });
      request.on('data', (chunk: Buffer) => response.write(chunk));
      request.on('end', () => response.end());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const call = (path: string): object =>
        one({
          Type: 'Task',
          Resource: 'arn:aws:states:::http:invoke',
          Parameters: {
            ApiEndpoint: `http://127.0.0.1:${port}${path}`,
            Method: 'POST',
            RequestBody: { a: 1 },
          },
          End: true,
        });
      const good = JSON.parse((await ended(await start(call('/good')))).output!) as {
        StatusCode: number;
        ResponseBody: unknown;
      };
      assert.deepEqual([good.StatusCode, good.ResponseBody], [200, { a: 1 }]);
      assert.equal((await ended(await start(call('/bad')))).error, 'States.Http.StatusCode.409');
      const formOf = async (Transform: object | undefined, type: string): Promise<string> => {
        const { States } = call('/good') as { States: { A: { Parameters: object } } };
        const { output, cause } = await ended(
          await start(
            one({
              ...States.A,
              Parameters: {
                ...States.A.Parameters,
                Headers: { 'Content-Type': type },
                RequestBody: { list: ['a', 'b c'], in: { x: 1 } },
                ...(Transform && { Transform }),
              },
            }),
          ),
        );
        if (output === undefined) return cause!;
        const { ResponseBody: body } = JSON.parse(output) as { ResponseBody: unknown };
        return typeof body === 'string' ? decodeURIComponent(body) : JSON.stringify(body);
      };
      const urlencoded = 'application/x-www-form-urlencoded';
      const format = (ArrayFormat: string): object => ({
        RequestBodyEncoding: 'URL_ENCODED',
        RequestEncodingOptions: { ArrayFormat },
      });
      assert.equal(await formOf(undefined, urlencoded), 'list[0]=a&list[1]=b+c&in[x]=1');
      assert.equal(await formOf(format('BRACKETS'), urlencoded), 'list[]=a&list[]=b+c&in[x]=1');
      assert.equal(await formOf(format('REPEAT'), urlencoded), 'list=a&list=b+c&in[x]=1');
      assert.equal(await formOf(format('COMMAS'), urlencoded), 'list=a,b+c&in[x]=1');
      assert.match(await formOf(format('DOTS'), urlencoded), /ArrayFormat is one of/);
      assert.match(await formOf(format('REPEAT'), 'text/plain'), /needs the header Content-Type/);
      assert.equal(
        await formOf({ RequestBodyEncoding: 'NONE' }, urlencoded),
        '{"list":["a","b c"],"in":{"x":1}}',
      );
    } finally {
      server.close();
    }
  });

  test('the same services as the SDK calls them, and no others', async () => {
    const call = async (action: string, Parameters: object): ReturnType<typeof ended> =>
      await ended(
        await start(
          one({ Type: 'Task', Resource: `arn:aws:states:::aws-sdk:${action}`, Parameters, End: true }),
        ),
      );
    const output = async (action: string, Parameters: object): Promise<Record<string, unknown>> =>
      JSON.parse((await call(action, Parameters)).output!) as Record<string, unknown>;
    assert.deepEqual(await output('lambda:invoke', { FunctionName: 'shop--double', Payload: '{"n":4}' }), {
      ExecutedVersion: '$LATEST',
      Payload: '{"n":8}',
      StatusCode: 200,
    });
    const broken = await output('lambda:invoke', { FunctionName: 'shop--broken', Payload: {} });
    assert.equal(broken.FunctionError, 'Unhandled');
    assert.match(String(broken.Payload), /"errorMessage":"no luck"/);
    const child = await bench.machine(pass);
    const begun = await output('sfn:startExecution', { StateMachineArn: child, Input: '{}' });
    assert.match(String(begun.StartDate), /^\d{4}-\d\d-\d\dT/);
    assert.equal((await ended(String(begun.ExecutionArn))).status, 'SUCCEEDED');
    const put = await output('eventbridge:putEvents', {
      Entries: [{ Source: 'orders', DetailType: 'Told', Detail: '{}' }],
    });
    assert.equal(put.FailedEntryCount, 0);
    const { error, cause } = await call('dynamodb:putItem', {});
    assert.equal(error, 'States.Runtime');
    assert.match(cause!, /no service aws-sdk:dynamodb:putItem\. It has lambda:invoke/);
  });

  test('events go onto the bus', async () => {
    const state = {
      Type: 'Task',
      Resource: 'arn:aws:states:::events:putEvents',
      Parameters: { Entries: [{ Source: 'orders', DetailType: 'OrderPlaced', 'Detail.$': '$' }] },
      End: true,
    };
    const { output } = await ended(await start(one(state), { order: 7 }));
    const { FailedEntryCount, Entries } = JSON.parse(output!) as {
      FailedEntryCount: number;
      Entries: { EventId: string }[];
    };
    assert.equal(FailedEntryCount, 0);
    const { json } = await platform.api('GET', '/events?type=OrderPlaced');
    assert.ok(JSON.stringify(json).includes(Entries[0]!.EventId));
  });

  test('events go onto the bus that they name, and the task fails where there is none', async () => {
    const buses = new EventBridgeClient({
      ...{ endpoint: platform.url, region: 'us-east-1', maxAttempts: 1 },
      credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
    });
    const { EventBusArn } = await buses.send(new CreateEventBusCommand({ Name: 'partners' }));
    const entry = (EventBusName: string | undefined, mark: number): object => ({
      ...{ Source: 'orders', DetailType: 'Named', EventBusName, Detail: { mark } },
    });
    const put = async (service: string, ...Entries: object[]): ReturnType<typeof ended> => {
      const Resource = `arn:aws:states:::${service}:putEvents`;
      return await ended(await start(one({ Type: 'Task', Resource, Parameters: { Entries }, End: true })));
    };
    assert.equal((await put('events', entry('partners', 1), entry(EventBusArn, 2))).status, 'SUCCEEDED');
    const { error, cause } = await put('events', entry('none', 3), entry(undefined, 4));
    assert.equal(error, 'EventBridge.FailedEntry');
    const { FailedEntryCount, Entries } = JSON.parse(cause!) as {
      FailedEntryCount: number;
      Entries: object[];
    };
    assert.equal(FailedEntryCount, 1);
    const message = 'Event bus none does not exist.';
    assert.deepEqual(Entries[0], { ErrorCode: 'InvalidArgument', ErrorMessage: message });
    const answered = JSON.parse((await put('aws-sdk:eventbridge', entry('none', 5))).output!) as object;
    assert.deepEqual(answered, { FailedEntryCount: 1, Entries: [Entries[0]] });
    const { json } = await platform.api('GET', '/events?type=Named');
    const { items } = json as { items: { scope: string }[] };
    assert.deepEqual(items.map(({ scope }) => scope).toSorted(), ['', 'bus:partners', 'bus:partners']);
  });

  test('a distributed Map: its run, and results written as objects', async () => {
    const map = (more: object): object =>
      one({
        Type: 'Map',
        ItemProcessor: {
          ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
          StartAt: 'D',
          States: { D: { Type: 'Task', Resource: `${LAMBDA}double`, End: true } },
        },
        End: true,
        ...more,
      });
    const items = [{ n: 1 }, { n: 2 }, { n: 3 }];
    const writing = await start(
      map({
        ResultWriter: {
          Resource: 'arn:aws:states:::s3:putObject',
          Parameters: { Bucket: 'results', Prefix: 'x' },
        },
      }),
      items,
    );
    const { ResultWriterDetails: details } = JSON.parse((await ended(writing)).output!) as {
      ResultWriterDetails: { Bucket: string; Key: string };
    };
    assert.equal(details.Bucket, 'results');
    const { mapRuns } = await sfn.send(new ListMapRunsCommand({ executionArn: writing }));
    const run = await sfn.send(new DescribeMapRunCommand({ mapRunArn: mapRuns![0]!.mapRunArn }));
    assert.deepEqual([run.status, run.itemCounts?.succeeded, run.itemCounts?.total], ['SUCCEEDED', 3, 3]);
    const children = await sfn.send(
      new ListExecutionsCommand({ mapRunArn: mapRuns![0]!.mapRunArn, maxResults: 2 }),
    );
    assert.deepEqual(
      [children.executions!.map(({ status }) => status), typeof children.nextToken],
      [['SUCCEEDED', 'SUCCEEDED'], 'string'],
    );
    const child = { executionArn: children.executions![1]!.executionArn };
    const { input, output, status } = await sfn.send(new DescribeExecutionCommand(child));
    assert.deepEqual([input, output, status], ['{"n":2}', '{"n":4}', 'SUCCEEDED']);
    const { events } = await sfn.send(new GetExecutionHistoryCommand(child));
    assert.deepEqual(
      events!.map(({ id, previousEventId, type }) => [id, previousEventId, type]),
      [
        [1, 0, 'ExecutionStarted'],
        [2, 0, 'TaskStateEntered'],
        [3, 2, 'LambdaFunctionScheduled'],
        [4, 3, 'LambdaFunctionStarted'],
        [5, 4, 'LambdaFunctionSucceeded'],
        [6, 5, 'TaskStateExited'],
        [7, 6, 'ExecutionSucceeded'],
      ],
    );
    const done = { mapRunArn: mapRuns![0]!.mapRunArn, maxConcurrency: 2 };
    assert.equal(await errorOf(sfn.send(new UpdateMapRunCommand(done))), 'ValidationException');
    // What was written can be read.
    const folder = details.Key.replace(/manifest\.json$/, '');
    const reading = await start(
      map({
        ItemReader: {
          Resource: 'arn:aws:states:::s3:getObject',
          ReaderConfig: { InputType: 'JSON' },
          Parameters: { Bucket: 'results', Key: `${folder}SUCCEEDED_0.json` },
        },
        ItemSelector: { 'n.$': '$$.Map.Item.Value.Index' },
      }),
    );
    assert.equal((await ended(reading)).output, '[{"n":0},{"n":2},{"n":4}]');
  });

  test('a distributed Map at work gets other limits', async () => {
    const executionArn = await start(
      one({
        Type: 'Map',
        MaxConcurrency: 1,
        ItemProcessor: {
          ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
          StartAt: 'D',
          States: { D: { Type: 'Wait', Seconds: 600, End: true } },
        },
        End: true,
      }),
      [1, 2, 3],
    );
    let mapRunArn: string | undefined;
    await until(executionArn, async () => {
      mapRunArn = (await sfn.send(new ListMapRunsCommand({ executionArn }))).mapRuns?.[0]?.mapRunArn;
      return mapRunArn !== undefined;
    });
    assert.equal(await errorOf(sfn.send(new UpdateMapRunCommand({ mapRunArn }))), 'MissingRequiredParameter');
    await sfn.send(new UpdateMapRunCommand({ mapRunArn, maxConcurrency: 3, toleratedFailureCount: 2 }));
    await until(executionArn, async () => {
      const run = await sfn.send(new DescribeMapRunCommand({ mapRunArn }));
      return run.maxConcurrency === 3 && run.toleratedFailureCount === 2;
    });
    const running = await sfn.send(new ListExecutionsCommand({ mapRunArn, statusFilter: 'RUNNING' }));
    assert.equal(running.executions?.length, 3);
  });
});
