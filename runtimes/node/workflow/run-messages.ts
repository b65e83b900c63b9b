import type { ExecutionRecord } from '../../../src/model/execution.ts';
import type { JournalEntry, Payload } from '../../../src/model/journal.ts';
import type { Offer, ProgramAct } from '../../../src/ports/workflow-program.ts';

/** From the platform, as in `src/model/workflow-wire.ts`. Trusted: it comes from the platform. */
export type PlatformMessage =
  | { readonly kind: 'open'; readonly record: OpenedExecution; readonly callbackUrl: string }
  | { readonly kind: 'history'; readonly entries: readonly JournalEntry[] }
  /** The pieces before it are this value. */
  | { readonly kind: 'payload'; readonly payload: { readonly blob: string } }
  | { readonly kind: 'go' }
  | { readonly kind: 'offer'; readonly offers: readonly Offer[] }
  /** These operations are durable: what belongs to them may begin. */
  | { readonly kind: 'committed'; readonly ops: readonly number[] }
  | { readonly kind: 'query'; readonly query: number; readonly name: string; readonly input: Payload };

export type OpenedExecution = Pick<ExecutionRecord, 'id' | 'app' | 'workflow'>;

/** To the platform. */
export type RunMessage =
  | { readonly kind: 'submit'; readonly acts: readonly ProgramAct[] }
  | {
      readonly kind: 'answer';
      readonly query: number;
      readonly result: { readonly output: Payload } | { readonly error: unknown };
    };
