import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runForTest } from '../src/cli/test-terminal.ts';
import type { ExecutionStep, StepData } from '../src/ports/execution-steps.ts';
import type { WorkflowGraph } from '../src/ports/workflow-graph.ts';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';

/** What executions did, as steps, and how they are taken up from one: durable code and state machines alike. */

const FILES = {
  'lambent.yaml': `
app: flows
functions:
  moody: { routes: [] }
workflows:
  order: {}
  asks: {}
  states: { definition: states.asl.json }
  turns: {}
  ways: { definition: ways.asl.json }
`,
  'functions/moody.js': `
let calls = 0;
export const handler = async ({ n }) => {
  calls += 1;
  if (calls === 1) throw new RangeError('not today');
  return n * 2;
};`,
  'workflows/order.ts': `
import { workflow } from 'lambent';
let pays = 0;
export default workflow(async (ctx, input: { item: string }) => {
  const reserved = await ctx.step('reserve', () => { console.log('reserving'); return 'reserved ' + input.item; });
  const sides = await ctx.parallel([
    () => ctx.step('left', () => { console.log('left'); return 'l'; }),
    () => ctx.sleep('10ms'),
  ]);
  const paid = await ctx.step('pay', () => {
    pays += 1;
    if (pays <= 2) throw new TypeError('declined ' + pays);
    return 'paid';
  }, { retry: { attempts: 2, initial: '1ms', jitter: false } });
  return { reserved, paid, sides: sides.length };
});`,
  'workflows/asks.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx) => await ctx.callback<string>({ name: 'approval', timeout: '1h' }).result);`,
  'workflows/turns.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx, way: string) => {
  await ctx.map([1, 2], async (each) => {
    await ctx.step('weigh', () => each);
    return await ctx.step('pack', () => each);
  }, { concurrency: 1 });
  let tries = 0;
  await ctx.step('label', () => {
    tries += 1;
    if (tries === 1) throw new TypeError('no paper');
  }, { retry: { attempts: 3, initial: '1ms', jitter: false } });
  if (way === 'air') await ctx.step('fly "it"', () => { throw new Error('fog'); }, { retry: false });
  await ctx.sleep('1ms');
});`,
  'ways.asl.json': JSON.stringify({
    StartAt: 'start',
    States: {
      start: {
        Type: 'Choice',
        Choices: [{ Variable: '$.n', NumericGreaterThan: 5, Next: 'Both' }],
        Default: 'No "way"',
      },
      Both: {
        Type: 'Parallel',
        Branches: ['A', 'B'].map((name) => ({
          StartAt: name,
          States: { [name]: { Type: 'Pass', End: true } },
        })),
        Catch: [{ ErrorEquals: ['States.ALL'], Next: 'No "way"' }],
        End: true,
      },
      'No "way"': { Type: 'Fail' },
    },
  }),
  'states.asl.json': JSON.stringify({
    StartAt: 'Each',
    States: {
      Each: {
        Type: 'Map',
        ItemsPath: '$.items',
        ItemProcessor: {
          StartAt: 'Keep',
          States: { Keep: { Type: 'Pass', End: true } },
        },
        ResultPath: '$.kept',
        Next: 'Double',
      },
      Double: { Type: 'Task', Resource: 'moody', InputPath: '$', End: true },
    },
  }).replace('"moody"', '"arn:aws:lambda:us-east-1:000000000000:function:moody"'),
};

let lambent: TestPlatform;
before(async () => {
  lambent = await startTestPlatform({ flows: FILES });
});
after(() => lambent.close());

interface Ended {
  readonly id: string;
  readonly status: string;
  readonly output: unknown;
}

const start = async (name: string, input: unknown, wait = 20): Promise<Ended> =>
  (await lambent.api('POST', `/apps/flows/workflows/${name}/executions?wait=${wait}`, input)).json;
const steps = async (id: string): Promise<ExecutionStep[]> =>
  ((await lambent.api('GET', `/executions/${id}/steps`)).json as { items: ExecutionStep[] }).items;
const step = async (id: string, place: number): Promise<ExecutionStep & StepData> =>
  (await lambent.api('GET', `/executions/${id}/steps/${place}`)).json;
const retry = async (id: string, from: string | number): Promise<Ended> => {
  const { json } = await lambent.api('POST', `/executions/${id}/retry?from=${from}`);
  return (await lambent.api('GET', `/executions/${(json as { id: string }).id}/result?wait=20`)).json;
};
const codeOf = ({ json }: { json: unknown }) => (json as { error?: { code: string } }).error?.code;

describe('steps of durable code', { timeout: 60_000 }, () => {
  it('have their attempts, their errors, what they belong to, and their data', async () => {
    const { id, status } = await start('order', { item: 'lamp' });
    assert.equal(status, 'failed');
    const all = await steps(id);
    assert.deepEqual(
      all.map(({ kind, name, status: how, parent }) => [kind, name, how, parent]),
      [
        ['step', 'reserve', 'succeeded', undefined],
        ['scope', 'parallel', 'succeeded', undefined],
        ['step', 'left', 'succeeded', 1],
        ['sleep', 'sleep', 'succeeded', 1],
        ['step', 'pay', 'failed', undefined],
      ],
    );
    assert.deepEqual(
      all.map(({ item }) => item),
      [undefined, undefined, 0, 1, undefined],
      'which branch it was',
    );
    const pay = all[4]!;
    assert.deepEqual(
      pay.attempts.map(({ error }) => error?.errorMessage),
      ['declined 1', 'declined 2'],
    );
    assert.equal(pay.at, 'workflows/order.ts:10');
    assert.equal((await step(id, 0)).output, 'reserved lamp');
    const page = (await lambent.api('GET', `/executions/${id}/steps?from=2&limit=2`)).json as {
      next: number;
    };
    assert.equal(page.next, 4);

    const since = lambent.events.length;
    const again = await retry(id, 'failed');
    assert.deepEqual(again.output, { reserved: 'reserved lamp', paid: 'paid', sides: 2 });
    const lines = lambent.events
      .slice(since)
      .flatMap((event) => (event.kind === 'log' ? [event.line.text] : []));
    assert.ok(!lines.includes('reserving') && !lines.includes('left'), 'what was done is not done again');
    const taken = (await steps(again.id)).find(({ kind }) => kind === 'retry');
    assert.equal(taken?.execution, id);

    const earlier = await retry(id, all[2]!.op!);
    assert.equal(earlier.status, 'succeeded');
    assert.ok(
      lambent.events.some(
        (event) =>
          event.kind === 'log' &&
          event.line.text === 'left' &&
          event.line.invocation === (earlier.id as never),
      ),
      'from an earlier step all that follows is done again',
    );
  });

  it('is refused where there is nothing to go on from', async () => {
    const { id } = await start('asks', null, 0);
    assert.equal(codeOf(await lambent.api('POST', `/executions/${id}/retry?from=failed`)), 'E_BAD_REQUEST');
    const answer = () => lambent.api('POST', `/executions/${id}/callbacks/1`, 'yes');
    let status = 0;
    // The execution was stored before its code came to wait.
    for (let tries = 0; status !== 200 && tries < 200; tries += 1) ({ status } = await answer());
    const ended = (await lambent.api('GET', `/executions/${id}/result?wait=20`)).json as Ended;
    assert.equal(ended.output, 'yes');
    assert.equal(codeOf(await answer()), 'E_CALLBACK_EXPIRED');
    assert.equal(codeOf(await lambent.api('POST', `/executions/${id}/retry?from=failed`)), 'E_BAD_REQUEST');
    assert.equal(codeOf(await lambent.api('POST', `/executions/${id}/retry?from=9`)), 'E_BAD_REQUEST');
    assert.equal(codeOf(await lambent.api('GET', `/executions/${id}/definition`)), 'E_NOT_FOUND');
  });
});

describe('steps of a state machine', { timeout: 60_000 }, () => {
  it('are its states; what failed is taken up again, what succeeded is not', async () => {
    const { id, status } = await start('states', { items: [1, 2], n: 21 });
    assert.equal(status, 'failed');
    const all = await steps(id);
    assert.deepEqual(
      all.map(({ kind, name, status: how, parent }) => [kind, name, how, parent]),
      [
        ['Map', 'Each', 'succeeded', undefined],
        ['iteration', '#0', 'succeeded', 0],
        ['iteration', '#1', 'succeeded', 0],
        ['Pass', 'Keep', 'succeeded', 1],
        ['Pass', 'Keep', 'succeeded', 2],
        ['Task', 'Double', 'failed', undefined],
      ],
    );
    assert.match(all[5]!.error?.errorMessage ?? '', /not today/);
    const double = await step(id, 5);
    assert.deepEqual([double.input, double.output], [{ items: [1, 2], n: 21, kept: [1, 2] }, undefined]);
    const { json } = await lambent.api('GET', `/executions/${id}/definition`);
    assert.equal((json as { StartAt: string }).StartAt, 'Each');

    const again = await retry(id, 'failed');
    assert.deepEqual([again.status, again.output], ['succeeded', 42]);
    const redriven = await steps(again.id);
    assert.deepEqual(
      redriven.map(({ name, status: how, attemptCount }) => [name, how, attemptCount]).at(-1),
      ['Double', 'succeeded', 2],
    );
    assert.equal(
      codeOf(await lambent.api('POST', `/executions/${again.id}/retry?from=failed`)),
      'E_BAD_REQUEST',
    );
  });
});

const graphOf = async (name: string): Promise<WorkflowGraph> =>
  (await lambent.api('GET', `/apps/flows/workflows/${name}/graph`)).json;
const cli = (...args: string[]) => runForTest(args, { env: { LAMBENT_URL: lambent.url } });
/** `from > to`, by labels. */
const waysOf = ({ nodes, edges }: WorkflowGraph): string[] => {
  const labels = new Map(nodes.map(({ id, label }) => [id, label]));
  return edges.map(
    ({ from, to, label, count }) =>
      `${labels.get(from)} > ${labels.get(to)}${label === undefined ? '' : ` (${label})`}${count === undefined ? '' : ` x ${count}`}`,
  );
};

describe("a workflow's graph", { timeout: 60_000 }, () => {
  it('is learnt from executions of code, which are laid over each other', async () => {
    const none = await cli('run', 'graph', 'turns');
    assert.match(none.err, /turns has none yet/);
    assert.equal((await start('turns', 'road')).status, 'succeeded');
    assert.equal((await start('turns', 'air')).status, 'failed');
    const graph = await graphOf('turns');
    assert.deepEqual([graph.source, graph.executions, graph.left], ['executions', 2, 0]);
    assert.deepEqual(waysOf(graph).toSorted(), [
      'fly "it" > failed x 1',
      'label > fly "it" x 1',
      'label > sleep x 1',
      'map > weigh x 4',
      'pack > label x 2',
      'sleep > succeeded x 1',
      'start > map x 2',
      'weigh > pack x 4',
    ]);
    const weigh = graph.nodes.find(({ label }) => label === 'weigh');
    assert.deepEqual([weigh?.count, weigh?.parent, weigh?.kind], [4, '/scope map', 'step']);
    const drawn = await cli('run', 'graph', 'flows/turns');
    assert.match(drawn.out, /^flowchart TD\n {2}n\d+\(\["start"\]\)\n[\s\S]*\["fly #34;it#34;"\]/);
  });

  it('has the branches of a parallel each for itself', async () => {
    await start('order', { item: 'lamp' });
    const graph = await graphOf('order');
    const ways = waysOf(graph).map((way) => way.replace(/ x \d+$/, ''));
    for (const way of [
      'parallel > branch 0',
      'branch 0 > left',
      'left > pay',
      'branch 1 > sleep',
      'sleep > pay',
    ])
      assert.ok(ways.includes(way), `${way} in ${ways.join(', ')}`);
    assert.ok(!ways.includes('left > sleep') && !ways.includes('sleep > left'));
    const sleep = graph.nodes.find(({ label }) => label === 'sleep');
    assert.equal(sleep?.parent, '/scope parallel/branch 1');
    assert.match((await cli('run', 'graph', 'flows/order')).out, /n\d+\("branch 1"\)/);
  });

  it('is that of the definition for a state machine, whether or not it ever ran', async () => {
    const graph = await graphOf('ways');
    assert.deepEqual(waysOf(graph), [
      'start > start',
      'start > Both ($.n > 5)',
      'start > No "way" (Default)',
      'Both > A',
      'Both > B',
      'Both > No "way" (catch States.ALL)',
      'A > end',
      'B > end',
      'No "way" > end',
    ]);
    assert.equal(graph.nodes.find(({ label }) => label === 'B')?.parent, '/Both');
    assert.match((await cli('run', 'graph', 'ways')).out, /n\d+ -->\|"\$\.n #62; 5"\| n\d+\n/);
  });

  it('is not there for what is no workflow', async () => {
    const { status, json } = await lambent.api('GET', '/apps/flows/workflows/moody/graph');
    assert.deepEqual([status, codeOf({ json })], [404, 'E_NOT_FOUND']);
  });
});

describe('`lambent run show`', { timeout: 60_000 }, () => {
  it('tells of each attempt which it was, how long it took, and its error', async () => {
    const { id } = await start('turns', 'air');
    const { out } = await cli('run', 'show', id);
    assert.match(out, /✓ label {2}\d+ ms {2}2 attempts {2}workflows\/turns\.ts:9\n/);
    assert.match(out, /\n {6}attempt 1, \d+ ms: E_FUNCTION_ERROR TypeError: no paper\n/);
    assert.match(out, /✗ fly "it" {2}\d+ ms {2}workflows\/turns\.ts:13\n {6}E_FUNCTION_ERROR Error: fog\n/);
    const within = out.match(/✓ map.*\n( {4}item [01]\n {6}✓ weigh.*\n {6}✓ pack.*\n){2}/);
    assert.ok(within !== null, `what is within a map is indented, item by item: ${out}`);
    assert.match(out, /\nfailed after .*\n {2}E_FUNCTION_ERROR Error: fog\n$/);
  });
});
