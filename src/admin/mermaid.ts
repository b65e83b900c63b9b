import type { WorkflowGraph } from '../ports/workflow-graph.ts';

/** A graph as Mermaid's text, which Markdown on code hosts draws. Labels are quoted: names are free text. */
export function mermaid({ nodes, edges, left }: Pick<WorkflowGraph, 'nodes' | 'edges' | 'left'>): string {
  const places = new Map(nodes.map(({ id }, place) => [id, `n${place}`]));
  return [
    'flowchart TD',
    ...nodes.map(({ id, kind, label }) => {
      const [open, close] = SHAPES[kind] ?? ['[', ']'];
      return `  ${places.get(id)}${open}${quoted(label)}${close}`;
    }),
    ...edges.map(({ from, to, label }) => {
      const text = label === undefined ? '' : `|${quoted(label)}|`;
      return `  ${places.get(from)} -->${text} ${places.get(to)}`;
    }),
    ...(left === 0 ? [] : [`  %% ${left} more are left out`]),
    '',
  ].join('\n');
}

/** Round what begins and ends, a rhombus what chooses, a hexagon what holds others. */
const SHAPES: Readonly<Record<string, readonly [string, string]>> = {
  start: ['([', '])'],
  end: ['([', '])'],
  branch: ['(', ')'],
  Choice: ['{', '}'],
  scope: ['{{', '}}'],
  Parallel: ['{{', '}}'],
  Map: ['{{', '}}'],
};

/** Mermaid writes characters that it would take for its own by their number. */
function quoted(text: string): string {
  return `"${text.replaceAll(/\s+/g, ' ').replaceAll(/[^\p{L}\p{M}\p{N} .,:;$%()*+/=?_…-]/gu, (each) => `#${each.codePointAt(0)};`)}"`;
}
