import type { AppName } from '../model/function.ts';
import type { JournalEntry, Task } from '../model/journal.ts';
import type { Workflows } from '../ports/workflows.ts';

/** Executions that a graph is learnt from, and entries of each. */
const EXECUTIONS_MAX = 20;
const ENTRIES_MAX = 1_000;

export interface GraphNode {
  readonly id: string;
  readonly kind: string;
  readonly label: string;
  /** In how many places of the histories. */
  count: number;
}

export interface GraphEdge {
  readonly from: string;
  readonly to: string;
  count: number;
}

export interface Graph {
  readonly nodes: GraphNode[];
  readonly edges: GraphEdge[];
}

/** What follows what in a workflow of code, learnt from its latest executions: nobody has drawn it. */
export async function executionGraph(workflows: Workflows, app: AppName, workflow: string): Promise<Graph> {
  const nodes = new Map<string, GraphNode>();
  const edges = new Map<string, GraphEdge>();
  const node = (id: string, kind: string, label: string): string => {
    const known = nodes.get(id);
    if (known === undefined) nodes.set(id, { id, kind, label, count: 1 });
    else known.count += 1;
    return id;
  };
  const edge = (from: string, to: string): void => {
    const key = `${from}\n${to}`;
    const known = edges.get(key);
    if (known === undefined) edges.set(key, { from, to, count: 1 });
    else known.count += 1;
  };
  for (const { id } of await workflows.list({ app, workflow, limit: EXECUTIONS_MAX }))
    addHistory(await workflows.history(id, 0, ENTRIES_MAX), node, edge);
  return { nodes: [...nodes.values()], edges: [...edges.values()] };
}

function addHistory(
  entries: readonly JournalEntry[],
  node: (id: string, kind: string, label: string) => string,
  edge: (from: string, to: string) => void,
): void {
  const byOp = new Map<number, string>();
  // What ended last is what the next operation follows.
  let latest = [node('start', 'start', 'start')];
  let openedSince = false;
  for (const entry of entries) {
    if (entry.kind === 'opened') {
      const name = node(nameOf(entry.task), entry.task.kind, nameOf(entry.task));
      byOp.set(entry.op, name);
      for (const from of latest) edge(from, name);
      openedSince = true;
    } else if (entry.kind === 'completed' || entry.kind === 'failed') {
      const name = byOp.get(entry.op);
      if (name === undefined) continue;
      latest = openedSince ? [name] : [...latest.filter((each) => each !== name), name];
      openedSince = false;
    } else if (entry.kind === 'ended') {
      const end = node(entry.outcome.status, 'end', entry.outcome.status);
      for (const from of latest) edge(from, end);
    }
  }
}

function nameOf(task: Task): string {
  switch (task.kind) {
    case 'call':
      return `call ${task.function}`;
    case 'event':
      return `event ${task.event}`;
    case 'child':
      return `child ${task.workflow}`;
    case 'signal':
      return `signal ${task.name}`;
    case 'scope':
      return `${task.form} ${task.name}`;
    case 'resource':
      return task.resource;
    case 'step':
      return task.name;
    case 'sleep':
    case 'callback':
      return task.name ?? task.kind;
    default:
      return task satisfies never;
  }
}

export function graphAsMermaid({ nodes, edges }: Graph): string {
  const places = new Map(nodes.map(({ id }, place) => [id, `n${place}`]));
  const quoted = (text: string): string => `"${text.replaceAll('"', "'").replaceAll(/[\n<>]/g, ' ')}"`;
  return [
    'flowchart TD',
    ...nodes.map(({ id, kind, label }) => {
      const [left, right] = kind === 'start' || kind === 'end' ? ['([', '])'] : ['[', ']'];
      return `  ${places.get(id)}${left}${quoted(label)}${right}`;
    }),
    ...edges.map(({ from, to }) => `  ${places.get(from)} --> ${places.get(to)}`),
  ].join('\n');
}
