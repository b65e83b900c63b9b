import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type GraphEdge, type GraphNode, layOut } from './lay-out-graph.ts';

/** A node that holds branches of so many nodes each, which meet again. */
function branched(lengths: readonly number[]): { nodes: GraphNode[]; edges: GraphEdge[] } {
  const nodes: GraphNode[] = ['start', 'all', 'end'].map((id) => ({ id, text: id }));
  const edges: GraphEdge[] = [{ from: 'start', to: 'all' }];
  for (const [branch, length] of lengths.entries()) {
    let from = 'all';
    for (let at = 0; at < length; at += 1) {
      const id = `${branch}.${at}`;
      nodes.push({ id, text: id, within: 'all' });
      edges.push({ from, to: id });
      from = id;
    }
    edges.push({ from, to: 'end' });
  }
  return { nodes, edges };
}

describe('the layout of a graph', () => {
  for (const lengths of [
    [1, 1],
    [2, 1, 3],
    [1, 2, 1, 2, 1],
    [1, 1, 1, 1, 1, 1, 1, 1],
  ])
    it(`has branches of ${lengths.join(', ')} in their order, beginning on one line`, () => {
      const { nodes, edges } = branched(lengths);
      const { nodes: places } = layOut('TB', nodes, edges);
      const firsts = lengths.map((_, branch) => places.get(`${branch}.0`)!);
      for (const [at, { x, y }] of firsts.entries()) {
        assert.equal(y, firsts[0]!.y);
        if (at > 0) assert.ok(x > firsts[at - 1]!.x, `branch ${at} is at the right of the one before`);
      }
    });

  it('has sources from the top down', () => {
    const names = ['a', 'b', 'c', 'd'];
    const { nodes: places } = layOut(
      'LR',
      names.flatMap((name): GraphNode[] => [
        { id: name, text: name, card: 'source' },
        { id: `to ${name}`, text: name, card: 'part' },
      ]),
      names.map((name) => ({ from: name, to: `to ${name}` })),
    );
    const heights = names.map((name) => places.get(name)!.y);
    assert.deepEqual(
      heights,
      heights.toSorted((a, b) => a - b),
    );
  });
});
