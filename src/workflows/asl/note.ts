import type { HistoryEvent } from './history-event.ts';
import type { MachineInput, MachineState, MapRun } from './machine-state.ts';

/** What the machine took in, as a note has it. How an operation ended is in the journal's own entry. */
export type NotedInput =
  | Exclude<MachineInput, { kind: 'completed' | 'failed' | 'expired' }>
  | { readonly kind: 'ended'; readonly op: number };

/** One advance of the machine, in the journal. `asl`: the format's number. */
export interface AslNote {
  readonly asl: 1;
  /** The machine's time. */
  readonly atMs: number;
  readonly input: NotedInput;
  readonly events: readonly HistoryEvent[];
  /** Number of the last event so far. */
  readonly lastEvent: number;
  /** Distributed Maps, whenever there are any. */
  readonly mapRuns?: readonly Omit<MapRun, 'failures' | 'label'>[];
}

export function noteOf(
  state: MachineState,
  input: MachineInput,
  atMs: number,
  events: readonly HistoryEvent[],
): AslNote {
  const ended = input.kind === 'completed' || input.kind === 'failed' || input.kind === 'expired';
  return {
    asl: 1,
    atMs,
    input: ended ? { kind: 'ended', op: input.op } : input,
    events,
    lastEvent: state.lastEvent,
    ...(state.mapRuns.length > 0 && { mapRuns: state.mapRuns.map(({ failures, label, ...run }) => run) }),
  };
}

export function isAslNote(note: unknown): note is AslNote {
  return typeof note === 'object' && note !== null && (note as { asl?: unknown }).asl === 1;
}

/** About how large a note is as JSON, in bytes. */
export function noteText({ events }: AslNote): number {
  let bytes = 200;
  for (const event of events) {
    bytes += 150;
    for (const details of Object.values(event)) {
      if (typeof details !== 'object' || details === null) continue;
      for (const text of Object.values(details)) if (typeof text === 'string') bytes += text.length;
    }
  }
  return bytes;
}
