import type { JournalEntry } from '../model/journal.ts';
import type { HistoryEvent } from '../workflows/asl/history-event.ts';
import { isAslNote } from '../workflows/asl/note.ts';

/** A state as an execution went through it, or an iteration of a Map with its states. */
export interface StateNode {
  readonly name: string;
  readonly startMs: number;
  readonly children: StateNode[];
  /** Attempts of its task; 0 where there is none. */
  attempts: number;
  endMs: number | undefined;
  end: 'completed' | 'failed' | 'closed' | undefined;
  readonly errors: string[];
}

/** Details of one event, whatever its type. */
interface Details {
  readonly name?: string;
  readonly index?: number;
  readonly error?: string;
  readonly cause?: string;
}

/** The states of an execution in Amazon States Language; `undefined` when its journal is of durable code. */
export function statesOf(entries: readonly JournalEntry[]): StateNode[] | undefined {
  const events = entries.flatMap((entry) =>
    entry.kind === 'noted' && isAslNote(entry.note) ? entry.note.events : [],
  );
  return events.length === 0 ? undefined : new StateTree(events).roots;
}

/** Each event belongs to the state that the one before it in its thread belongs to, until that state is left. */
class StateTree {
  readonly roots: StateNode[] = [];
  /** The innermost node at each event, and the way out of it. */
  readonly #at = new Map<number, StateNode | undefined>();
  readonly #parents = new Map<StateNode, StateNode | undefined>();

  constructor(events: readonly HistoryEvent[]) {
    for (const event of events)
      this.#at.set(event.id, this.#follow(event, this.#at.get(event.previousEventId)));
  }

  #follow(event: HistoryEvent, node: StateNode | undefined): StateNode | undefined {
    const { type, timestampMs } = event;
    const details = detailsOf(event);
    if (type.endsWith('StateEntered')) return this.#open(details.name ?? '?', timestampMs, node);
    if (type.endsWith('StateExited')) return this.#close(node, 'completed', timestampMs);
    if (type === 'MapIterationStarted') return this.#open(`#${details.index ?? 0}`, timestampMs, node);
    if (type === 'MapIterationSucceeded') return this.#close(node, 'completed', timestampMs);
    if (type === 'MapIterationFailed') return this.#close(node, 'failed', timestampMs);
    if (node === undefined) return undefined;
    if (/^(?:Task|LambdaFunction|Activity)Scheduled$/.test(type)) node.attempts += 1;
    if (/(?:Failed|TimedOut)$/.test(type)) node.errors.push(errorText(details));
    if (/^(?:Execution|FailState)/.test(type) && /Failed|TimedOut|Aborted$/.test(type))
      this.#failUp(node, timestampMs);
    return node;
  }

  #open(name: string, startMs: number, parent: StateNode | undefined): StateNode {
    const node: StateNode = {
      ...{ name, startMs, children: [], errors: [] },
      ...{ attempts: 0, endMs: undefined, end: undefined },
    };
    (parent?.children ?? this.roots).push(node);
    this.#parents.set(node, parent);
    return node;
  }

  /** The node that is gone on in. */
  #close(node: StateNode | undefined, end: 'completed' | 'failed', endMs: number): StateNode | undefined {
    if (node === undefined) return undefined;
    node.end = end;
    node.endMs = endMs;
    return this.#parents.get(node);
  }

  /** The execution failed in this state. */
  #failUp(node: StateNode, endMs: number): void {
    for (let each: StateNode | undefined = node; each !== undefined; each = this.#parents.get(each)) {
      if (each.end !== undefined) continue;
      each.end = 'failed';
      each.endMs = endMs;
    }
  }
}

function detailsOf(event: HistoryEvent): Details {
  for (const [key, value] of Object.entries(event))
    if (key.endsWith('Details') && typeof value === 'object' && value !== null) return value as Details;
  return {};
}

function errorText({ error = 'failed', cause = '' }: Details): string {
  return cause === '' ? error : `${error}: ${cause}`;
}
