/** An execution as a graph: the workflow's own, with how each place stands, which way was taken, and items of maps. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ExecutionGraph } from '../src/ports/workflow-graph.ts';
import { startTestPlatform, type TestPlatform } from './platform-harness.ts';

const pass = (next: object) => ({ Type: 'Pass', ...next });

const FILES = {
  'lambent.yaml': `
app: flows
functions: { even: {} }
workflows:
  each: {}
  ways: { definition: ways.asl.json }
`,
  'functions/even.js': `
export const handler = async ({ n }) => {
  if (n % 2 === 1) throw new RangeError(n + ' is odd');
  return n;
};`,
  'workflows/each.ts': `
import { workflow } from 'lambent';
export default workflow(async (ctx, items: number[]) => {
  await ctx.map(items, async (n) => {
    await ctx.step('weigh', () => n);
    await ctx.step('pack', () => {
      if (n < 0) throw new RangeError('nothing to pack');
    }, { retry: { attempts: 2, initial: '1ms', jitter: false } });
  }, { concurrency: 1 });
});`,
  'ways.asl.json': JSON.stringify({
    StartAt: 'Many?',
    States: {
      'Many?': {
        Type: 'Choice',
        Choices: [{ Variable: '$.n', NumericGreaterThan: 5, Next: 'Both' }],
        Default: 'Few',
      },
      Few: pass({ Next: 'Each' }),
      Both: {
        Type: 'Parallel',
        Branches: ['A', 'B'].map((name) => ({ StartAt: name, States: { [name]: pass({ End: true }) } })),
        ResultPath: null,
        Next: 'Each',
      },
      Each: {
        Type: 'Map',
        ItemsPath: '$.items',
        MaxConcurrency: 1,
        ItemSelector: { 'n.$': '$$.Map.Item.Value' },
        ItemProcessor: {
          StartAt: 'Even',
          States: {
            Even: {
              Type: 'Task',
              Resource: 'arn:aws:lambda:us-east-1:000000000000:function:even',
              Catch: [{ ErrorEquals: ['Nothing'], Next: 'Odd' }],
              End: true,
            },
            Odd: pass({ End: true }),
          },
        },
        End: true,
      },
    },
  }),
};

let lambent: TestPlatform;
before(async () => {
  lambent = await startTestPlatform({ flows: FILES });
});
after(() => lambent.close());

const run = async (name: string, input: unknown): Promise<string> => {
  const { json } = await lambent.api('POST', `/apps/flows/workflows/${name}/executions?wait=20`, input);
  return (json as { id: string }).id;
};
const graphOf = async (id: string, query = ''): Promise<ExecutionGraph> => {
  const { status, json } = await lambent.api('GET', `/executions/${id}/graph${query}`);
  assert.equal(status, 200);
  return json;
};
const stateOf = ({ nodes }: ExecutionGraph, label: string) =>
  nodes.find((node) => node.label === label)?.state;
/** The ways that were taken, by labels, with how often. */
const takenOf = ({ nodes, edges }: ExecutionGraph): string[] => {
  const labels = new Map(nodes.map(({ id, label }) => [id, label]));
  return edges.flatMap(({ from, to, count = 0 }) =>
    count === 0 ? [] : [`${labels.get(from)} > ${labels.get(to)} x ${count}`],
  );
};

describe("an execution's graph", { timeout: 60_000 }, () => {
  it('of a state machine is its definition, with the ways that were taken and how each state stands', async () => {
    const many = await graphOf(await run('ways', { n: 9, items: [2, 4] }));
    assert.equal(many.source, 'definition');
    assert.deepEqual(takenOf(many), [
      'start > Many? x 1',
      'Many? > Both x 1',
      'Both > A x 1',
      'Both > B x 1',
      'A > Each x 1',
      'B > Each x 1',
      'Each > Even x 2',
      'Even > end x 1',
    ]);
    assert.equal(stateOf(many, 'Few'), undefined);
    assert.deepEqual(stateOf(many, 'Even')?.counts, { succeeded: 2 });
    const few = await graphOf(await run('ways', { n: 1, items: [2] }));
    assert.ok(takenOf(few).includes('Many? > Few x 1'));
    assert.equal(stateOf(few, 'Both'), undefined);
  });

  it('tells the items of a Map apart, one by one where it is asked to', async () => {
    const id = await run('ways', { n: 1, items: [2, 4, 3] });
    const graph = await graphOf(id);
    const each = stateOf(graph, 'Each');
    assert.deepEqual(each?.items?.counts, { succeeded: 2, failed: 1 });
    assert.deepEqual(
      each?.items?.named.map(({ item, status }) => [item, status]),
      [
        [0, 'succeeded'],
        [1, 'succeeded'],
        [2, 'failed'],
      ],
    );
    assert.equal(stateOf(graph, 'Even')?.status, 'failed');
    const alone = await graphOf(id, `?map=${each?.items?.map}&item=1`);
    assert.deepEqual(stateOf(alone, 'Even')?.counts, { succeeded: 1 });
    assert.deepEqual(stateOf(alone, 'Few')?.counts, { succeeded: 1 }, 'what is outside the map stays');
    assert.match(
      stateOf(await graphOf(id, `?map=${each?.items?.map}&item=2`), 'Even')?.error?.errorMessage ?? '',
      /3 is odd/,
    );
  });

  it('of code is what it did, items of ctx.map and attempts included', async () => {
    const graph = await graphOf(await run('each', [1, -1]));
    assert.equal(graph.source, 'executions');
    const map = stateOf(graph, 'map');
    assert.deepEqual(map?.items?.counts, { succeeded: 1, failed: 1 });
    const pack = stateOf(graph, 'pack');
    assert.deepEqual([pack?.counts, pack?.retries], [{ succeeded: 1, failed: 1 }, 1]);
    assert.match(pack?.error?.errorMessage ?? '', /nothing to pack/);
    assert.ok((pack?.longestMs ?? -1) >= 0);
    const first = await graphOf(await run('each', [1, 2]), '?map=0&item=0');
    assert.deepEqual(stateOf(first, 'weigh')?.counts, { succeeded: 1 });
  });

  it('is there as text of Mermaid, and an item without its map is refused', async () => {
    const id = await run('ways', { n: 1, items: [] });
    const { json } = await lambent.api('GET', `/executions/${id}/graph?format=mermaid`);
    assert.match((json as { mermaid: string }).mermaid, /^flowchart TD\n/);
    assert.equal((await lambent.api('GET', `/executions/${id}/graph?item=1`)).status, 400);
  });
});
