import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Json } from './json-value.ts';
import type { MachineInput } from './machine-state.ts';
import { type Answer, drive } from './test-driver.ts';

const LAMBDA = 'arn:aws:lambda:us-east-1:1:function:work';
const task = (more: object = {}): object => ({ Type: 'Task', Resource: LAMBDA, End: true, ...more });
const one = (state: object, more: object = {}): object => ({ StartAt: 'A', States: { A: state }, ...more });

/** Answers each task of a function by what the list says: an output, or a failure. */
function replies(...list: (Json | { fail: string; cause?: string })[]): Answer {
  let next = 0;
  return (work, op): MachineInput | undefined => {
    if (work.kind !== 'task') return undefined;
    const reply = list[Math.min(next, list.length - 1)]!;
    next += 1;
    if (typeof reply === 'object' && reply !== null && 'fail' in reply) {
      return { kind: 'failed', op, error: reply.fail as string, cause: reply.cause as string | undefined };
    }
    return { kind: 'completed', op, output: reply as Json };
  };
}

describe('tasks', () => {
  test('a function: input, result, and its events', async () => {
    const state = task({
      InputPath: '$.in',
      Parameters: { 'x.$': '$.n' },
      ResultSelector: { 'got.$': '$.y' },
      ResultPath: '$.out',
    });
    const { end, types, commands } = await drive(one(state), { in: { n: 1 } }, replies({ y: 2 }));
    assert.deepEqual(end?.output, { in: { n: 1 }, out: { got: 2 } });
    assert.deepEqual(types.slice(1, -1), [
      'TaskStateEntered',
      'LambdaFunctionScheduled',
      'LambdaFunctionStarted',
      'LambdaFunctionSucceeded',
      'TaskStateExited',
    ]);
    const [open] = commands;
    assert.deepEqual(open?.kind === 'open' && open.work.kind === 'task' && open.work.input, { x: 1 });
  });

  test('Retry counts, waits longer each time up to a maximum, then Catch takes over', async () => {
    const state = task({
      Retry: [
        { ErrorEquals: ['Busy'], IntervalSeconds: 2, BackoffRate: 3, MaxAttempts: 3, MaxDelaySeconds: 10 },
      ],
      Catch: [{ ErrorEquals: ['States.TaskFailed'], ResultPath: '$.error', Next: 'B' }],
      End: undefined,
      Next: 'B',
    });
    const definition = { StartAt: 'A', States: { A: state, B: { Type: 'Pass', End: true } } };
    const { end, elapsedMs, types } = await drive(
      definition,
      { n: 1 },
      replies({ fail: 'Busy', cause: 'full' }),
    );
    assert.deepEqual(end?.output, { n: 1, error: { Error: 'Busy', Cause: 'full' } });
    assert.equal(elapsedMs, (2 + 6 + 10) * 1000);
    assert.equal(types.filter((type) => type === 'LambdaFunctionFailed').length, 4);
    assert.equal(types.filter((type) => type === 'TaskStateEntered').length, 1);
  });

  test('full jitter stays within the interval and is the same each time', async () => {
    const state = task({
      Retry: [{ ErrorEquals: ['States.ALL'], IntervalSeconds: 10, JitterStrategy: 'FULL' }],
    });
    const first = await drive(one(state), {}, replies({ fail: 'X' }));
    assert.ok(first.elapsedMs > 0 && first.elapsedMs < 70_000);
    assert.equal((await drive(one(state), {}, replies({ fail: 'X' }))).elapsedMs, first.elapsedMs);
  });

  test('timeouts: of the state, by path, of the heartbeat', async () => {
    const never: Answer = () => undefined;
    const plain = await drive(one(task({ TimeoutSeconds: 7 })), {}, never);
    assert.deepEqual(
      [plain.end?.error, plain.elapsedMs, plain.types.at(-2)],
      ['States.Timeout', 7_000, 'LambdaFunctionTimedOut'],
    );
    const path = await drive(one(task({ TimeoutSecondsPath: '$.t' })), { t: 3 }, never);
    assert.equal(path.elapsedMs, 3_000);
    const activity = task({
      Resource: 'arn:aws:states:us-east-1:1:activity:a',
      HeartbeatSeconds: 5,
      TimeoutSeconds: 60,
    });
    const heart = await drive(one(activity), {}, never);
    assert.deepEqual(
      [heart.end?.error, heart.elapsedMs, heart.types.at(-2)],
      ['States.Timeout', 5_000, 'ActivityTimedOut'],
    );
    const caught = task({ ...activity, Catch: [{ ErrorEquals: ['States.Timeout'], Next: 'B' }] });
    const both = { StartAt: 'A', States: { A: caught, B: { Type: 'Succeed' } } };
    assert.equal((await drive(both, {}, never)).end?.status, 'succeeded');
    const caughtAs = async (name: string): Promise<unknown> => {
      const state = task({ ...activity, Catch: [{ ErrorEquals: [name], Next: 'B' }] });
      const States = { A: state, B: { Type: 'Succeed' } };
      return (await drive({ StartAt: 'A', States }, {}, never)).end?.output;
    };
    // A name of its own to catch it by, but what is told is a timeout; and what has no cause has an empty one.
    assert.deepEqual(await caughtAs('States.HeartbeatTimeout'), { Error: 'States.Timeout', Cause: '' });
    assert.equal(await caughtAs('States.TaskFailed'), undefined);
    const given = task({
      Catch: [{ ErrorEquals: ['States.Timeout'], Next: 'B' }],
      End: undefined,
      Next: 'B',
    });
    const named = { StartAt: 'A', States: { A: given, B: { Type: 'Succeed' } } };
    const tested = await drive(named, {}, replies({ fail: 'States.HeartbeatTimeout' }));
    assert.deepEqual(tested.end?.output, { Error: 'States.HeartbeatTimeout', Cause: '' });
    const whole = await drive(one(task(), { TimeoutSeconds: 9 }), {}, never);
    assert.equal(whole.history.at(-1)?.previousEventId, 0);
    assert.deepEqual(
      [whole.end?.status, whole.elapsedMs, whole.types.at(-1)],
      ['timedOut', 9_000, 'ExecutionTimedOut'],
    );
  });

  test('a task with a token ends with the answer to it, not with its call', async () => {
    const state = task({
      Resource: 'arn:aws:states:::lambda:invoke.waitForTaskToken',
      Parameters: { FunctionName: 'f', Payload: { 'token.$': '$$.Task.Token' } },
    });
    const answers =
      (last: Answer): Answer =>
      (work, op, nowMs) => {
        if (work.kind === 'token') return last(work, op, nowMs);
        assert.deepEqual(work.kind === 'task' && work.input, {
          FunctionName: 'f',
          Payload: { token: 'token 1' },
        });
        return { kind: 'completed', op, output: { StatusCode: 200 } };
      };
    const waiting = await drive(
      one(state),
      {},
      answers(() => undefined),
    );
    assert.deepEqual(waiting.types.slice(-3), ['TaskScheduled', 'TaskStarted', 'TaskSubmitted']);
    assert.equal(waiting.end, undefined);
    const failed = await drive(
      one(state),
      {},
      answers((_work, op) => ({ kind: 'failed', op, error: 'No', cause: 'way' })),
    );
    assert.deepEqual([failed.end?.error, failed.end?.cause], ['No', 'way']);
  });

  test('a task whose parameters fail leaves no token and no timer behind', async () => {
    const state = task({
      Resource: 'arn:aws:states:::lambda:invoke.waitForTaskToken',
      QueryLanguage: 'JSONata',
      Arguments: { FunctionName: 'f', Payload: '{% $nope %}' },
      TimeoutSeconds: 20,
      HeartbeatSeconds: 10,
      Catch: [{ ErrorEquals: ['States.QueryEvaluationError'], Next: 'B' }],
      End: undefined,
      Next: 'B',
    });
    const definition = { StartAt: 'A', States: { A: state, B: { Type: 'Wait', Seconds: 60, End: true } } };
    const { end, elapsedMs, commands } = await drive(definition, {});
    assert.deepEqual([end?.status, elapsedMs], ['succeeded', 60_000]);
    assert.equal(commands.filter(({ kind }) => kind === 'close').length, 2);
  });

  test('a result over 256 KiB', async () => {
    const large = await drive(one(task()), {}, replies('x'.repeat(262_145)));
    assert.equal(large.end?.error, 'States.DataLimitExceeded');
  });
});

describe('Parallel', () => {
  const branches = (...resources: object[]): object =>
    one({
      Type: 'Parallel',
      End: true,
      Branches: resources.map((state, index) => ({ StartAt: `S${index}`, States: { [`S${index}`]: state } })),
    });

  test('results in the order of branches; a failure ends the others', async () => {
    const answer: Answer = (work, op) =>
      work.kind === 'task' ? { kind: 'completed', op, output: op } : undefined;
    assert.deepEqual((await drive(branches(task(), task()), {}, answer)).end?.output, [1, 2]);
    const { end, types } = await drive(
      branches({ Type: 'Wait', Seconds: 50, End: true }, { Type: 'Fail', Error: 'No', Cause: 'because' }),
      {},
    );
    assert.deepEqual([end?.error, end?.cause], ['No', 'because']);
    assert.deepEqual(types.slice(-2), ['ParallelStateFailed', 'ExecutionFailed']);
  });

  test('Retry begins all branches again, Catch leaves the state', async () => {
    const state = {
      Type: 'Parallel',
      Branches: [
        { StartAt: 'S', States: { S: task() } },
        { StartAt: 'W', States: { W: { Type: 'Wait', Seconds: 9, End: true } } },
      ],
      Retry: [{ ErrorEquals: ['X'], MaxAttempts: 1 }],
      Catch: [{ ErrorEquals: ['States.ALL'], Next: 'B', Assign: { 'why.$': '$.Error' } }],
      Next: 'B',
    };
    const definition = {
      StartAt: 'A',
      States: { A: state, B: { Type: 'Pass', Parameters: { 'why.$': '$why' }, End: true } },
    };
    const { end, types, commands } = await drive(definition, {}, replies({ fail: 'X' }));
    assert.deepEqual(end?.output, { why: 'X' });
    assert.equal(types.filter((type) => type === 'ParallelStateStarted').length, 2);
    assert.equal(commands.filter(({ kind }) => kind === 'close').length, 2);
  });
});

describe('Map', () => {
  const map = (more: object, state: object = task()): object =>
    one({ Type: 'Map', End: true, ItemProcessor: { StartAt: 'S', States: { S: state } }, ...more });
  const distributed = (more: object, state: object = task()): object =>
    one({
      Type: 'Map',
      End: true,
      ItemProcessor: {
        ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
        StartAt: 'S',
        States: { S: state },
      },
      ...more,
    });

  test('no more at once than MaxConcurrency', async () => {
    const answer: Answer = (work, op) =>
      work.kind === 'task' ? { kind: 'completed', op, output: work.input } : undefined;
    const { end, commands } = await drive(map({ MaxConcurrency: 2 }), [1, 2, 3, 4, 5], answer);
    assert.deepEqual(end?.output, [1, 2, 3, 4, 5]);
    assert.equal(commands.filter(({ kind }) => kind === 'open').length, 5);
    const first = await drive(map({ MaxConcurrency: 2 }), [1, 2, 3], () => undefined);
    assert.equal(first.commands.length, 2);
  });

  test('a failed iteration fails the state and ends the others', async () => {
    const failed = await drive(map({}), [1, 2, 3], (work, op) =>
      work.kind === 'task' && work.input === 2
        ? { kind: 'failed', op, error: 'X', cause: undefined }
        : undefined,
    );
    assert.equal(failed.end?.error, 'X');
    const aborted = ['MapIterationAborted', 'TaskStateAborted'];
    assert.deepEqual(failed.types.slice(-8), [
      ...[...aborted, 'TaskStateAborted', ...aborted],
      ...['MapIterationFailed', 'MapStateFailed', 'ExecutionFailed'],
    ]);
  });

  test('batches, with an input that all share', async () => {
    const { end } = await drive(
      distributed(
        { ItemBatcher: { MaxItemsPerBatch: 2, BatchInput: { 'who.$': '$.who' } }, ItemsPath: '$.list' },
        { Type: 'Pass', End: true },
      ),
      { who: 'Ada', list: [1, 2, 3] },
    );
    assert.deepEqual(end?.output, [
      { BatchInput: { who: 'Ada' }, Items: [1, 2] },
      { BatchInput: { who: 'Ada' }, Items: [3] },
    ]);
  });

  test('what a Catch passes on does not go through OutputPath, which is for results', async () => {
    const { end } = await drive(
      {
        StartAt: 'A',
        States: {
          A: {
            ...task(),
            OutputPath: '$.Payload',
            Catch: [{ ErrorEquals: ['X'], ResultPath: '$.e', Next: 'B' }],
          },
          B: { Type: 'Succeed' },
        },
      },
      { n: 1 },
      (_work, op) => ({ kind: 'failed', op, error: 'X', cause: 'y' }),
    );
    assert.deepEqual(end?.output, { n: 1, e: { Error: 'X', Cause: 'y' } });
  });

  test('a distributed Map at work gets other limits', async () => {
    let told = false;
    // No item is ever answered: more than one begins only because the limit is raised.
    const waiting: number[] = [];
    const raised = await drive(distributed({ MaxConcurrency: 1 }), [1, 2, 3], (_work, op) => {
      waiting.push(op);
      if (!told) {
        told = true;
        return {
          kind: 'mapRun',
          name: 'arn:aws:states:us-east-1:1:mapRun:m/A:run-1',
          concurrency: 3,
          toleratedCount: 1,
        };
      }
      return undefined;
    });
    assert.equal(waiting.length, 3);
    const { concurrency, toleratedCount } = raised.state.mapRuns[0]!;
    assert.deepEqual([concurrency, toleratedCount], [3, 1]);
  });

  test('a distributed Map bears as many failures as it says', async () => {
    const answer: Answer = (work, op) =>
      work.kind !== 'task'
        ? undefined
        : (work.input as number) % 2 === 0
          ? { kind: 'failed', op, error: 'Even', cause: undefined }
          : { kind: 'completed', op, output: work.input };
    const borne = await drive(distributed({ ToleratedFailureCount: 2 }), [1, 2, 3, 4], answer);
    assert.deepEqual(borne.end?.output, [1, 3]);
    assert.deepEqual([borne.state.mapRuns[0]?.succeeded, borne.state.mapRuns[0]?.failed], [2, 2]);
    const half = await drive(distributed({ ToleratedFailurePercentage: 50 }), [1, 2, 3, 4], answer);
    assert.equal(half.end?.status, 'succeeded');
    const breached = await drive(distributed({ ToleratedFailureCount: 1 }), [1, 2, 3, 4], answer);
    assert.equal(breached.end?.error, 'States.ExceedToleratedFailureThreshold');
    assert.deepEqual(breached.types.slice(-3), ['MapRunFailed', 'MapStateFailed', 'ExecutionFailed']);
  });

  test('items come from a store and results go to one', async () => {
    const reader = {
      Resource: 'arn:aws:states:::s3:getObject',
      ReaderConfig: { InputType: 'CSV', CSVHeaderLocation: 'FIRST_ROW' },
      Parameters: { Bucket: 'b', Key: 'k' },
    };
    const writer = { Resource: 'arn:aws:states:::s3:putObject', Parameters: { Bucket: 'b', Prefix: 'p' } };
    const written: Json[] = [];
    const answer: Answer = (work, op) => {
      if (work.kind === 'read') {
        const output = { text: 'id,name\n1,"a ""b"", c"\n2,d\n', source: 's3://b/k', config: work.config };
        return { kind: 'completed', op, output };
      }
      if (work.kind !== 'write') return undefined;
      written.push(work.files.files!);
      return {
        kind: 'completed',
        op,
        output: { ResultWriterDetails: { Bucket: 'b', Key: 'p/manifest.json' } },
      };
    };
    const { end, types } = await drive(
      distributed({ ItemReader: reader, ResultWriter: writer }, { Type: 'Pass', End: true }),
      {},
      answer,
    );
    assert.deepEqual(end?.output, { ResultWriterDetails: { Bucket: 'b', Key: 'p/manifest.json' } });
    const list = JSON.parse((written[0] as Record<string, string>)['SUCCEEDED_0.json']!) as {
      Output: string;
    }[];
    assert.deepEqual(
      list.map(({ Output }) => JSON.parse(Output) as unknown),
      [
        { id: '1', name: 'a "b", c' },
        { id: '2', name: 'd' },
      ],
    );
    assert.deepEqual(types.slice(1, 5), [
      'MapStateEntered',
      'MapStateStarted',
      'MapRunStarted',
      'MapRunSucceeded',
    ]);
    const failing = await drive(distributed({ ItemReader: reader }), {}, (_work, op) => ({
      kind: 'failed',
      op,
      error: 'S3.NoSuchKey',
      cause: 'gone',
    }));
    assert.deepEqual([failing.end?.error, failing.end?.cause], ['States.ItemReaderFailed', 'gone']);
  });
});

describe('limits', () => {
  test('an endless loop ends with the 25,000th event', async () => {
    const { end, types, history } = await drive(
      {
        StartAt: 'A',
        States: {
          A: { Type: 'Pass', Next: 'B' },
          B: {
            Type: 'Choice',
            Choices: [{ Variable: '$.enough', IsPresent: true, Next: 'C' }],
            Default: 'A',
          },
          C: { Type: 'Succeed' },
        },
      },
      {},
    );
    assert.deepEqual(
      [end?.error, end?.cause],
      ['States.Runtime', 'The execution reached the maximum number of history events (25000).'],
    );
    assert.deepEqual([types.length, history.at(-1)?.id], [25_000, 25_000]);
  });

  test('variables: outer ones are seen within, inner ones are not seen outside', async () => {
    const inner = {
      StartAt: 'I',
      States: { I: { Type: 'Pass', Assign: { own: 1, 'copy.$': '$x' }, End: true } },
    };
    const { end } = await drive(
      {
        QueryLanguage: 'JSONPath',
        StartAt: 'A',
        States: {
          A: { Type: 'Pass', Assign: { x: 5 }, Next: 'P' },
          P: { Type: 'Parallel', Branches: [inner], Next: 'Z' },
          Z: { Type: 'Choice', Choices: [{ Variable: '$own', IsPresent: false, Next: 'End' }] },
          End: { Type: 'Succeed' },
        },
      },
      {},
    );
    assert.equal(end?.status, 'succeeded');
  });
});

test('a JSONata Map in a JSONPath machine has its states in JSONPath', async () => {
  const state = {
    ...{ Type: 'Map', QueryLanguage: 'JSONata', End: true, Items: '{% $states.input.list %}' },
    ItemProcessor: {
      StartAt: 'I',
      States: { I: { Type: 'Pass', Parameters: { 'twice.$': 'States.MathAdd($, $)' }, End: true } },
    },
    Output: '{% $sum($states.result.twice) %}',
  };
  assert.equal((await drive(one(state), { list: [1, 2] })).end?.output, 6);
});

test('a batch has at least one item', async () => {
  const flow = { StartAt: 'I', States: { I: { Type: 'Pass', End: true } } };
  const state = {
    ...{ Type: 'Map', ItemsPath: '$.list', ItemBatcher: { MaxItemsPerBatchPath: '$.most' }, End: true },
    ItemProcessor: { ...flow, ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' } },
  };
  const { end } = await drive(one(state), { list: [1], most: 0 });
  assert.match(String(end?.cause), /MaxItemsPerBatch must be a positive integer\.$/);
});

test('the same inputs give the same history', async () => {
  const definition = {
    QueryLanguage: 'JSONata',
    StartAt: 'A',
    States: {
      A: { Type: 'Pass', Output: '{% [$uuid(), $random(), $now()] %}', Next: 'B' },
      B: { Type: 'Wait', Seconds: 30, Next: 'C' },
      C: { Type: 'Pass', Output: '{% $append($states.input, $millis()) %}', End: true },
    },
  };
  const first = await drive(definition, {});
  assert.deepEqual((await drive(definition, {})).history, first.history);
  assert.equal((first.end!.output as Json[])[3], Date.UTC(2026, 0, 1, 0, 0, 30));
});
