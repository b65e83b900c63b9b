import type { ExecutionId } from '../src/base/ids.ts';
import type { JournalEntry } from '../src/model/journal.ts';
import { applyEntry, createExecutionState, type ExecutionState } from '../src/workflows/journal.ts';
import type { MemoryJournal } from './memory-journal.ts';

/** An input waits no longer than this: less than the engine's own look from time to time, which would hide a lost one. */
const INBOX_MS_MAX = 30_000;

interface StepMark {
  runs: number;
}

/** What must hold, whatever happens. */
export class Invariants {
  readonly violations: string[] = [];
  steps = 0;
  repeatedSteps = 0;
  readonly #journal: MemoryJournal;
  readonly #oldest = new Map<ExecutionId, { readonly position: number; readonly sinceMs: number }>();
  readonly #states = new Map<ExecutionId, ExecutionState>();
  readonly #recorded = new Set<string>();
  readonly #runs = new Map<string, StepMark>();
  readonly #expected = new Map<ExecutionId, unknown>();
  readonly #signals = new Map<ExecutionId, string[]>();

  constructor(journal: MemoryJournal) {
    this.#journal = journal;
  }

  violate(what: string): void {
    this.violations.push(what);
  }

  expect(id: ExecutionId, output: unknown): void {
    this.#expected.set(id, output);
  }

  signalled(id: ExecutionId, mark: string): void {
    const marks = this.#signals.get(id) ?? [];
    marks.push(mark);
    this.#signals.set(id, marks);
  }

  /** Entries are on the disk. */
  appended(id: ExecutionId): void {
    const row = this.#journal.rows.get(id);
    if (row === undefined) return;
    const state = this.#states.get(id) ?? createExecutionState();
    this.#states.set(id, state);
    try {
      for (const entry of row.entries.slice(state.seq)) {
        applyEntry(state, entry);
        this.#note(id, entry);
      }
    } catch (error) {
      this.violate(`the journal of ${id} does not fold: ${(error as Error).message.split('\n')[0]}`);
    }
  }

  /** The code of a step begins. */
  stepBegins(id: ExecutionId, op: number, attempt: number): void {
    const key = `${id}/${op}`;
    this.steps += 1;
    this.appended(id);
    if (this.#recorded.has(key)) this.violate(`step ${key} runs again although its result is recorded`);
    const open = this.#states.get(id)?.open.get(op);
    if (open === undefined || open.attempt < attempt)
      this.violate(`attempt ${attempt} of step ${key} runs before it is recorded`);
    const mark = this.#runs.get(key) ?? { runs: 0 };
    mark.runs += 1;
    if (mark.runs > 1) this.repeatedSteps += 1;
    this.#runs.set(key, mark);
  }

  /** Looks from time to time: what lies in an inbox is taken in before long, without a crash to help. */
  checkInboxes(nowMs: number): void {
    for (const { record, inbox } of this.#journal.open) {
      const position = inbox[0]?.position;
      const known = this.#oldest.get(record.id);
      // One that is queued takes in nothing before its turn.
      if (position === undefined || record.status === 'queued') this.#oldest.delete(record.id);
      else if (known?.position !== position) this.#oldest.set(record.id, { position, sinceMs: nowMs });
      else if (nowMs - known.sinceMs > INBOX_MS_MAX)
        this.violate(
          `an input of ${record.id} (${record.status}) lies in its inbox for ${nowMs - known.sinceMs} ms`,
        );
    }
  }

  /** As many executions were begun as should be, and all have ended. */
  allFinal(executions: number): boolean {
    return this.#expected.size >= executions && this.#journal.open.size === 0;
  }

  /** For whoever wants to know why nothing ends. */
  describeOpen(): string {
    const some = [...this.#journal.open].slice(0, 5).map(({ record, entries, inbox, fence }) => {
      const last = entries.slice(-3).map((entry) => JSON.stringify(entry).slice(0, 200));
      return `${record.id} ${record.status} due ${record.dueMs} fence ${fence} inbox ${inbox.length}: ${last.join(' ')}`;
    });
    return `${this.#journal.open.size} are open: ${some.join('; ')}`;
  }

  checkEnd(): void {
    if (this.violations.length > 0) return;
    for (const [id, expected] of this.#expected) {
      const outcome = this.#lastOutcome(id);
      const output =
        outcome?.status === 'succeeded' && 'json' in outcome.output ? outcome.output.json : outcome;
      if (JSON.stringify(output) !== JSON.stringify(expected))
        this.violate(
          `execution ${id} ended with ${JSON.stringify(output)} instead of ${JSON.stringify(expected)}`,
        );
    }
    for (const [id, marks] of this.#signals) this.#checkSignals(id, marks);
  }

  #checkSignals(id: ExecutionId, marks: readonly string[]): void {
    const row = this.#journal.rows.get(id);
    const found = (row?.entries ?? []).flatMap((entry) =>
      entry.kind === 'signalled' && 'json' in entry.input ? [String(entry.input.json)] : [],
    );
    for (const mark of new Set(found))
      if (found.filter((each) => each === mark).length > 1)
        this.violate(`signal ${mark} is in the journal twice`);
    // One that came while the execution ended may be left behind; one that was answered for before may not.
    const left = marks.filter((mark) => !found.includes(mark));
    if (left.length > 0 && row !== undefined && !this.#endedSoon(id))
      this.violate(`signals ${left} were lost`);
  }

  #endedSoon(id: ExecutionId): boolean {
    return this.#states.get(id)?.outcome !== undefined;
  }

  #lastOutcome(id: ExecutionId) {
    let outcome = this.#states.get(id)?.outcome;
    while (outcome?.status === 'continued')
      outcome = this.#states.get(outcome.execution as ExecutionId)?.outcome;
    return outcome;
  }

  #note(id: ExecutionId, entry: JournalEntry): void {
    if (entry.kind === 'completed') this.#recorded.add(`${id}/${entry.op}`);
  }
}
