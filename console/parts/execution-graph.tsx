import type { HistoryEntry } from '../answers.ts';
import { toneOf } from './badge.tsx';
import { Graph, type GraphEdge, type GraphNode } from './graph.tsx';
import { Empty } from './panel.tsx';

/** Operations that are drawn; a longer history is for the table. */
const NODES_MAX = 120;

/** What an execution did, operation by operation, coloured by how each stands. */
export function ExecutionGraph({ entries }: { entries: readonly HistoryEntry[] }) {
  const { nodes, edges } = drawHistory(entries);
  if (nodes.length === 0) return <Empty title="Nothing happened yet" />;
  return <Graph label="What the execution did" direction="TB" nodes={nodes} edges={edges} />;
}

interface Operation {
  readonly id: string;
  readonly text: string;
  readonly kind: string;
  status: string;
  attempts: number;
}

function drawHistory(entries: readonly HistoryEntry[]): { nodes: GraphNode[]; edges: GraphEdge[] } {
  const operations = new Map<number, Operation>();
  const edges: GraphEdge[] = [];
  // What ended last is what the next operation follows.
  let latest = ['start'];
  let openedSince = false;
  let end: string | undefined;
  for (const entry of entries) {
    const known = entry.op === undefined ? undefined : operations.get(entry.op);
    if (entry.kind === 'opened' && entry.op !== undefined && operations.size < NODES_MAX) {
      const id = `op ${entry.op}`;
      operations.set(entry.op, {
        id,
        text: nameOf(entry),
        kind: entry.task?.kind ?? '',
        status: 'running',
        attempts: 1,
      });
      for (const from of latest) edges.push({ from, to: id });
      openedSince = true;
    } else if (known !== undefined && entry.kind === 'attempted') known.attempts += 1;
    else if (
      known !== undefined &&
      (entry.kind === 'completed' || entry.kind === 'failed' || entry.kind === 'closed')
    ) {
      known.status = entry.kind === 'closed' ? 'cancelled' : entry.kind;
      latest = openedSince ? [known.id] : [...latest.filter((each) => each !== known.id), known.id];
      openedSince = false;
    } else if (entry.kind === 'ended') end = (entry.outcome as { status: string }).status;
  }
  const nodes: GraphNode[] = [...operations.values()].map(({ id, text, kind, status, attempts }) => ({
    id,
    text,
    under: `${kind} · ${status}${attempts > 1 ? ` · attempt ${attempts}` : ''}`,
    tone: toneOf(status),
  }));
  if (entries.length > 0) nodes.unshift({ id: 'start', text: 'start' });
  if (end !== undefined) {
    nodes.push({ id: 'end', text: end, tone: toneOf(end) });
    for (const from of latest) edges.push({ from, to: 'end' });
  }
  return { nodes, edges };
}

function nameOf({ task, op }: HistoryEntry): string {
  const named = task?.name ?? task?.function ?? task?.workflow ?? task?.event ?? task?.resource;
  return typeof named === 'string' ? named : `${task?.kind ?? 'operation'} ${op}`;
}
