import type { Failure, JournalEntry, Task } from '../model/journal.ts';
import { type Style, visible } from './output.ts';
import { type StateNode, statesOf } from './state-tree.ts';

export interface ExecutionView {
  readonly id: string;
  readonly app: string;
  readonly workflow: string;
  readonly status: string;
  readonly createdMs: number;
  readonly endedMs?: number;
  readonly dueMs?: number;
  readonly entries: number;
}

/** An operation, or a state of a state machine. */
interface Node extends StateNode {
  readonly at?: string | undefined;
  readonly children: Node[];
}

/** An execution as a tree of its operations, or of its states: how each ended, how long it took, its attempts and errors. */
export function executionTree(record: ExecutionView, entries: readonly JournalEntry[], style: Style): string {
  const lines = [`${style.bold(`${record.app}/${record.workflow}`)}  ${record.id}`];
  const roots = statesOf(entries) ?? nodesOf(entries);
  for (const node of roots) addLines(node, '  ', lines, style);
  const started = entries[0]?.atMs ?? record.createdMs;
  const tookMs = (record.endedMs ?? entries.at(-1)?.atMs ?? started) - started;
  const due = record.dueMs === undefined ? '' : `, goes on at ${new Date(record.dueMs).toISOString()}`;
  lines.push(
    `${colour(style, record.status)} after ${durationText(tookMs)}, ${record.entries} entries${due}`,
  );
  const last = entries.at(-1);
  if (last?.kind === 'ended' && 'error' in last.outcome)
    lines.push(`  ${style.red(visible(errorText(last.outcome.error)))}`);
  return `${lines.join('\n')}\n`;
}

function nodesOf(entries: readonly JournalEntry[]): Node[] {
  const roots: Node[] = [];
  const byOp = new Map<number, Node>();
  for (const entry of entries) {
    if (entry.kind === 'opened') {
      const node: Node = {
        ...{ name: nameOf(entry.task), at: entry.at, startMs: entry.atMs, children: [] },
        ...{ attempts: 1, endMs: undefined, end: undefined, errors: [] },
      };
      byOp.set(entry.op, node);
      const parent = entry.scope === undefined ? undefined : byOp.get(entry.scope);
      (parent?.children ?? roots).push(node);
      continue;
    }
    const node = 'op' in entry ? byOp.get(entry.op) : undefined;
    if (node === undefined) continue;
    if (entry.kind === 'attempted') node.attempts = entry.attempt;
    else if (entry.kind === 'attemptFailed') node.errors.push(errorText(entry.error));
    else if (entry.kind === 'completed' || entry.kind === 'failed' || entry.kind === 'closed') {
      node.end = entry.kind;
      node.endMs = entry.atMs;
      if (entry.kind === 'failed' && node.errors.length === 0) node.errors.push(errorText(entry.error));
    }
  }
  return roots;
}

const SIGNS = { completed: '✓', failed: '✗', closed: '-' } as const;

function addLines(node: Node, indent: string, lines: string[], style: Style): void {
  const { end, attempts, errors, startMs, endMs } = node;
  const sign = end === undefined ? '…' : SIGNS[end];
  const painted =
    end === 'completed' ? style.green(sign) : end === 'failed' ? style.red(sign) : style.yellow(sign);
  const tries = attempts > 1 ? `  ${attempts} attempts` : '';
  const time = endMs === undefined ? 'under way' : durationText(endMs - startMs);
  lines.push(
    `${indent}${painted} ${visible(node.name)}  ${style.dim(`${time}${tries}${node.at === undefined ? '' : `  ${node.at}`}`)}`,
  );
  for (const error of errors) lines.push(`${indent}    ${style.red(visible(error.split('\n')[0]!))}`);
  for (const child of node.children) addLines(child, `${indent}  `, lines, style);
}

function colour(style: Style, status: string): string {
  if (status === 'succeeded') return style.green(status);
  return status === 'failed' || status === 'timedOut' ? style.red(status) : style.yellow(status);
}

function errorText({ code, errorType, errorMessage }: Failure): string {
  const name = errorType === code ? code : `${code} ${errorType}`;
  return `${name}: ${errorMessage.split('\n')[0]}`;
}

function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1_000).toFixed(1)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${(ms / 3_600_000).toFixed(1)} h`;
}

function nameOf(task: Task): string {
  switch (task.kind) {
    case 'step':
      return task.name;
    case 'call':
      return `call ${task.function}`;
    case 'event':
      return `wait for event ${task.event}`;
    case 'child':
      return `workflow ${task.workflow} ${task.execution}`;
    case 'signal':
      return `signal ${task.name} to ${task.execution}`;
    case 'scope':
      return task.form === task.name ? task.form : `${task.form} ${task.name}`;
    case 'resource':
      return task.resource;
    case 'sleep':
    case 'callback':
      return task.name === undefined ? task.kind : `${task.kind} ${task.name}`;
    default:
      return task satisfies never;
  }
}
