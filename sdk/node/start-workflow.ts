import { callPlatform } from './platform.ts';

export interface StartWorkflowOptions {
  /** Starting twice with the same key and input is starting once; with another input it is an error. */
  readonly key?: string;
  /** Higher goes first. -100 to 100. Default: 0. */
  readonly priority?: number;
  /** Not before this many milliseconds from now. */
  readonly delayMs?: number;
}

/**
 * Starts an execution of a workflow of this app with a JSON input. Resolves with its id once it is stored. Rejects
 * with a `CallError`: `E_NOT_FOUND`, `E_IDEMPOTENCY_CONFLICT`, `E_PAYLOAD_TOO_LARGE`.
 */
export async function startWorkflow(
  name: string,
  input?: unknown,
  options: StartWorkflowOptions = {},
): Promise<{ readonly id: string }> {
  const { id } = (await callPlatform('workflow.start', { workflow: name, ...options }, input)) as {
    id: string;
  };
  return { id };
}

/** Sends a signal with a JSON input to an execution of this app. Rejects with a `CallError`: `E_EXECUTION_ENDED`. */
export async function signalWorkflow(execution: string, name: string, input?: unknown): Promise<void> {
  await callPlatform('workflow.signal', { execution, name }, input);
}
