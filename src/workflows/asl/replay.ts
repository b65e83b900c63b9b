import assert from 'node:assert/strict';
import { LambentError } from '../../base/errors.ts';
import type { JournalEntry } from '../../model/journal.ts';
import { callbackToken, childExecutionId } from '../../model/workflow-wire.ts';
import { advance, createMachine } from './advance.ts';
import type { Program } from './definition.ts';
import type { Json } from './json-value.ts';
import type {
  Command,
  ExecutionFacts,
  IterationRecord,
  MachineInput,
  MachineState,
} from './machine-state.ts';
import { isAslNote, type NotedInput } from './note.ts';
import { completedInput, failedInput, type OpenWork } from './task-outcome.ts';

/* A machine and its journal: what it took in, it can be fed with again. */

/** The machine of an execution as it was before it started. `records`: takes the iterations of distributed Maps. */
export function machineOf(
  program: Program,
  facts: ExecutionFacts,
  history: readonly JournalEntry[],
  records?: IterationRecord[],
): { state: MachineState; seed: string; startedMs: number } {
  const [first] = history;
  assert.ok(first?.kind === 'started', 'a journal begins with `started`');
  const input = 'json' in first.input ? (first.input.json as Json) : null;
  const { seed, atMs } = first;
  const tokenOf = (op: number): string => callbackToken(facts.runId, op, seed);
  const state = createMachine(program, facts, input, seed, tokenOf, {}, { records });
  return { state, seed, startedMs: atMs };
}

/** The open operations of a machine, and what they are about. */
export class OpenWorks extends Map<number, OpenWork> {
  readonly #seed: string;

  constructor(seed: string) {
    super();
    this.#seed = seed;
  }

  /** Keeps in step with what the machine took in and wants done. */
  remember(input: MachineInput, commands: readonly Command[], atMs: number): void {
    if (input.kind === 'completed' || input.kind === 'failed' || input.kind === 'expired')
      this.delete(input.op);
    for (const command of commands) {
      if (command.kind === 'open') {
        const { op, work } = command;
        this.set(op, { work, openedMs: atMs, name: childExecutionId(op, 0, this.#seed) });
      } else if (command.kind === 'close') this.delete(command.op);
    }
  }
}

/**
 * Feeds the machine with the journal. False when that has nothing to replay. Rejects with `E_NON_DETERMINISTIC` where
 * the machine gives other events than it gave then.
 */
export async function replay(
  state: MachineState,
  history: readonly JournalEntry[],
  works: OpenWorks,
): Promise<boolean> {
  const ends = new Map<number, MachineInput>();
  let replayed = false;
  for (const entry of history) {
    if (entry.kind === 'completed') {
      const output = 'json' in entry.output ? (entry.output.json as Json) : null;
      ends.set(entry.op, completedInput(entry.op, works.get(entry.op), output, entry.atMs));
    } else if (entry.kind === 'failed') {
      ends.set(entry.op, failedInput(entry.op, works.get(entry.op), entry.error, entry.atMs));
    } else if (entry.kind === 'noted' && isAslNote(entry.note)) {
      const { atMs, input, events, lastEvent } = entry.note;
      const taken = inputOf(input, ends);
      const out = await advance(state, taken, atMs);
      works.remember(taken, out.commands, atMs);
      if (state.lastEvent !== lastEvent || out.history.length !== events.length) {
        throw new LambentError(
          'E_NON_DETERMINISTIC',
          `replaying the execution gave ${state.lastEvent} events where its journal has ${lastEvent}`,
        );
      }
      replayed = true;
    }
  }
  return replayed;
}

function inputOf(noted: NotedInput, ends: ReadonlyMap<number, MachineInput>): MachineInput {
  if (noted.kind !== 'ended') return noted;
  const end = ends.get(noted.op);
  assert.ok(end !== undefined, `the journal says how operation ${noted.op} ended`);
  return end;
}
