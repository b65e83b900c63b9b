import type { Log } from '../base/log.ts';
import type { CloudEvent } from '../model/cloud-event.ts';
import { compilePattern } from '../model/event-pattern.ts';
import type { JournalStore } from '../ports/journal-store.ts';
import type { ExecutionId } from '../base/ids.ts';

/** Waiting operations that are looked at together. */
const PAGE = 200;

export interface TellOptions {
  readonly store: JournalStore;
  readonly log: Log;
  nowMs(): number;
  /** Something lies in the inbox of this execution. */
  poke(id: ExecutionId): void;
}

/** Gives events to the operations that wait for them (`ctx.waitFor`): each operation takes the first that matches. */
export async function tellWaiting(events: readonly CloudEvent[], options: TellOptions): Promise<void> {
  const { store, log, nowMs, poke } = options;
  for (const event of events)
    try {
      for (let after = 0; ; ) {
        const waiting = await store.findAwaiting(`event:${event.type}`, PAGE, after);
        for (const { execution, op, detail } of waiting) {
          if (!matches(detail, event)) continue;
          const input = { kind: 'completed', op, output: { json: event } } as const;
          if (await store.settleAwaiting(execution, op, input, nowMs())) poke(execution);
        }
        if (waiting.length < PAGE) break;
        after = waiting.at(-1)!.position;
      }
    } catch (error) {
      log.error('executions that wait for an event could not be told', {
        type: event.type,
        error: String(error),
      });
    }
}

function matches(pattern: unknown, event: CloudEvent): boolean {
  if (typeof pattern !== 'object' || pattern === null || Object.keys(pattern).length === 0) return true;
  try {
    return compilePattern(pattern).matches(event as never);
  } catch {
    // A pattern that cannot be read matches nothing; its wait runs into its timeout.
    return false;
  }
}
