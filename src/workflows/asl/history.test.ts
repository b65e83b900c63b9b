import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Json } from './json-value.ts';
import { type Answer, drive } from './test-driver.ts';

/* Which events an execution has, and which event each follows. */

const pass = { Type: 'Pass', End: true };
const boom = { StartAt: 'Boom', States: { Boom: { Type: 'Fail', Error: 'E', Cause: 'c' } } };
const task = { Type: 'Task', Resource: 'arn:aws:lambda:us-east-1:1:function:f', End: true };
const flow = (name: string, state: object): object => ({ StartAt: name, States: { [name]: state } });
const parallel = (branches: object[], more: object = {}): object => ({
  ...{
    StartAt: 'P',
    States: { P: { Type: 'Parallel', Branches: branches, End: true, ...more }, Done: pass },
  },
});
const map = (processor: object, more: object = {}): object => ({
  ...flow('M', { Type: 'Map', ItemProcessor: processor, End: true, ...more }),
});
const fails: Answer = (work, op) =>
  work.kind === 'task' ? { kind: 'failed', op, error: 'E', cause: 'c' } : undefined;

/** Each event as `type<previous`, without what begins every execution. */
async function told(definition: object, input: Json = {}, answer?: Answer): Promise<string[]> {
  const { history } = await drive(definition, input, answer);
  return history.slice(1).map(({ type, previousEventId }) => `${type}<${previousEventId}`);
}
const undo = (definition: object): object => {
  const { Done: _done, ...States } = (definition as { States: Record<string, object> }).States;
  return { ...definition, States };
};
const onlyP = (branches: object[], more: object = {}): object => undo(parallel(branches, more));

describe('events of Parallel', () => {
  test('leaving it follows the last event of a branch, not the event that says it succeeded', async () => {
    assert.deepEqual(await told(onlyP([flow('A', pass)])), [
      ...['ParallelStateEntered<0', 'ParallelStateStarted<2', 'PassStateEntered<3', 'PassStateExited<4'],
      ...['ParallelStateSucceeded<5', 'ParallelStateExited<5', 'ExecutionSucceeded<7'],
    ]);
  });

  test('a task that ends its branch by failing was given up', async () => {
    assert.deepEqual((await told(onlyP([flow('A', task)]), {}, fails)).slice(-4), [
      ...['LambdaFunctionFailed<6', 'TaskStateAborted<7', 'ParallelStateFailed<7', 'ExecutionFailed<9'],
    ]);
  });

  test('branches that are cut say so before the state fails, whether that is caught or not', async () => {
    const branches = [
      flow('W', { Type: 'Wait', Seconds: 9, End: true }),
      flow('T', task),
      boom,
      flow('D', pass),
    ];
    const events = ['WaitStateAborted<7', 'TaskStateAborted<7', 'ParallelStateFailed<7'];
    const left = (list: string[]): string[] => list.filter((event) => /Aborted|Failed/.test(event));
    const never: Answer = () => undefined;
    assert.deepEqual(
      left(await told(onlyP(branches), {}, never)).map((event) => event.replace(/<.*/, '')),
      [...['WaitStateAborted', 'TaskStateAborted', 'ParallelStateFailed', 'ExecutionFailed']],
    );
    const caught = parallel(branches, { Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Done' }] });
    const all = await told(caught, {}, never);
    const at = all.findIndex((event) => event.startsWith('FailStateEntered')) + 2;
    assert.deepEqual(
      left(all),
      events.map((event) => event.replace('<7', `<${at}`)),
    );
    assert.ok(all.at(-1)?.startsWith('ExecutionSucceeded'));
  });

  test('a mistake in data of a branch ends the execution, and the states around tell nothing', async () => {
    const mistake = flow('A', { Type: 'Pass', Parameters: { 'm.$': '$.nope' }, End: true });
    const caught = parallel([mistake], { Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Done' }] });
    assert.deepEqual(await told(caught), [
      ...['ParallelStateEntered<0', 'ParallelStateStarted<2', 'PassStateEntered<3', 'ExecutionFailed<4'],
    ]);
  });

  test('what goes wrong in a Catch is the failure of its state, and not caught again', async () => {
    const broken = parallel([boom], {
      QueryLanguage: 'JSONata',
      Catch: [
        { ErrorEquals: ['Other'], Next: 'Done' },
        { ErrorEquals: ['States.ALL'], Output: { v: '{% $states.input.missing %}' }, Next: 'Done' },
      ],
    });
    assert.deepEqual((await told(broken)).slice(2), [
      ...['FailStateEntered<3', 'ParallelStateFailed<4', 'EvaluationFailed<4', 'ParallelStateFailed<6'],
      'ExecutionFailed<7',
    ]);
    const { end } = await drive(broken, {});
    assert.match(
      String(end?.cause),
      /^An error .* the state 'P' \(.* #2\)\. .* 'Catch\[1\]\/Output\/v' returned nothing/,
    );
  });
});

describe('events of Map', () => {
  test('an iteration that fails cuts the others', async () => {
    const choose = {
      StartAt: 'C',
      States: {
        C: { Type: 'Choice', Choices: [{ Variable: '$', NumericEquals: 1, Next: 'B' }], Default: 'W' },
        B: { Type: 'Fail', Error: 'E' },
        W: { Type: 'Wait', Seconds: 9, End: true },
      },
    };
    const { history } = await drive(map(choose), [0, 1]);
    const failed = history.find(({ type }) => type === 'FailStateEntered')!.id;
    assert.deepEqual(
      history.slice(-5).map(({ type, previousEventId }) => [type, previousEventId]),
      [
        ...[
          ['MapIterationAborted', failed],
          ['WaitStateAborted', failed],
          ['MapIterationFailed', failed],
        ],
        ...[
          ['MapStateFailed', failed],
          ['ExecutionFailed', history.length - 1],
        ],
      ],
    );
    assert.deepEqual(history.at(-5)!.mapIterationAbortedEventDetails, { name: 'M', index: 0 });
  });

  test('nothing to do; a distributed run; a mistake in data of an iteration', async () => {
    assert.deepEqual((await told(map(flow('A', pass)), [])).slice(1), [
      ...['MapStateStarted<2', 'MapStateSucceeded<3', 'MapStateExited<3', 'ExecutionSucceeded<5'],
    ]);
    const config = { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' };
    assert.deepEqual((await told(map({ ProcessorConfig: config, ...flow('A', pass) }), [1])).slice(1), [
      ...['MapStateStarted<2', 'MapRunStarted<3', 'MapRunSucceeded<4', 'MapStateSucceeded<5'],
      ...['MapStateExited<4', 'ExecutionSucceeded<7'],
    ]);
    const mistake = flow('A', { Type: 'Pass', Parameters: { 'm.$': '$.nope' }, End: true });
    assert.deepEqual((await told(map(mistake), [1, 2])).slice(2), [
      ...['MapIterationStarted<3', 'MapIterationStarted<3', 'PassStateEntered<4', 'ExecutionFailed<6'],
    ]);
  });
});
