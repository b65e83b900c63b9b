import type { ExecutionOrigin } from '../model/execution.ts';
import type { AppName } from '../model/function.ts';
import type { Startable } from '../model/trigger.ts';

/** Starts executions for deliveries. */
export interface ExecutionStarter {
  /**
   * Starts one; durable when it resolves. The same `name` is the same execution, however often it is started.
   * `input`: JSON. Rejects with a `LambentError`, or with whatever the API of state machines refuses with.
   */
  start(app: AppName, what: Startable, name: string, input: string, origin: ExecutionOrigin): Promise<void>;
}
