import type { ExecutionId } from '../base/ids.ts';
import type { ExecutionInput } from '../model/execution.ts';
import type { Outcome } from '../model/journal.ts';
import type { CreateOutcome, DeliverOutcome, NewExecution } from './journal-store.ts';

/** The engine, for those who start and steer executions. */
export interface WorkflowEngine {
  /** Begins an execution; it is durable when this resolves. `nowMs`: the moment from which its times count, epoch milliseconds. */
  create(execution: NewExecution, nowMs: number): Promise<CreateOutcome>;
  deliver(id: ExecutionId, input: ExecutionInput): Promise<DeliverOutcome>;
  /** Something lies in the inbox of this execution. */
  poke(id: ExecutionId): void;
  /** Resolves when the execution ends on this node. Ask the store as well: it may have ended already. */
  whenEnded(id: ExecutionId): { readonly outcome: Promise<Outcome>; forget(): void };
}
