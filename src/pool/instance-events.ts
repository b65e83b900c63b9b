import type { InvocationId } from '../base/ids.ts';
import type { FailureMessage } from '../model/frames.ts';
import type { LogSeverity, LogStream } from '../model/invocation.ts';
import type { LeaseWaiter } from '../ports/instance-pool.ts';

/**
 * starting -> ready -> retiring -> gone, or any of them -> gone.
 * A *retiring* instance gets no new work and ends when its last stream has ended.
 */
export type InstanceState = 'starting' | 'ready' | 'retiring' | 'gone';

/** What the pool of a version wants to hear of an instance (`instance.ts`). */
export interface InstanceEvents<Instance> {
  onReady(instance: Instance): void;
  /** The code cannot be loaded. `onGone` follows. */
  onBootFailed(instance: Instance, failure: FailureMessage): void;
  /** The first of an answer came, to a call that began at `beganMs` (monotonic). `among`: see `LearntConcurrency`. */
  onAnswered(instance: Instance, beganMs: number, among: number): void;
  /** A stream ended: there is room again. `beganMs`: when the call began, monotonic, unless it was cut short. */
  onRoom(instance: Instance, beganMs?: number): void;
  /** A call that was handed to it has not begun there, and will not. `sinceMs`: when it came, monotonic. */
  onTakenBack(instance: Instance, waiter: LeaseWaiter, sinceMs: number): void;
  /** The instance asked for no more work. */
  onRetire(instance: Instance): void;
  /** The process is gone; its streams were told before. */
  onGone(instance: Instance): void;
  onLog(
    instance: Instance,
    invocation: InvocationId | undefined,
    from: LogStream,
    severity: LogSeverity,
    timeMs: number,
    text: string,
  ): void;
  /** A call of the instance's failed for a reason that lies in the platform. */
  onDefect(instance: Instance, during: string, thrown: unknown): void;
}
