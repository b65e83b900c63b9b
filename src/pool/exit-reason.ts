import { LambentError } from '../base/errors.ts';
import type { FunctionVersion } from '../model/function.ts';
import type { SandboxExit } from '../ports/sandbox.ts';

/** What is known of an instance besides how its process ended. */
export interface LastState {
  /** It printed that its heap was full. */
  readonly heapExhausted: boolean;
  /** Its code was not loaded yet. */
  readonly loading: boolean;
  /** What it printed before it ended, if that says something about it. */
  readonly lastWords: string | undefined;
  /** The platform ended it, and why. */
  readonly decided: LambentError | undefined;
}

/** How others end a process: an operator, or the kernel when memory is short. */
const OUTSIDE_SIGNALS: ReadonlySet<string | null> = new Set(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP']);

/** Whether somebody else ended it while it loaded its code, so that its end says nothing about the code. */
export function wasInterrupted(exit: SandboxExit, { heapExhausted, loading, decided }: LastState): boolean {
  return (
    loading &&
    !heapExhausted &&
    decided === undefined &&
    exit.exceeded === undefined &&
    OUTSIDE_SIGNALS.has(exit.signal)
  );
}

/** Why an instance ended, as its open calls are told. */
export function exitReason(
  { name, config }: FunctionVersion,
  exit: SandboxExit,
  last: LastState,
): LambentError {
  if (exit.exceeded === 'processes')
    return new LambentError(
      'E_TOO_MANY_PROCESSES',
      `function ${name} had more processes and threads than an instance may have and was stopped`,
    );
  if (exit.exceeded === 'memory' || last.heapExhausted)
    return new LambentError(
      'E_OUT_OF_MEMORY',
      `function ${name} used more than its ${config.memoryMb} MB and was stopped`,
    );
  if (last.decided !== undefined) return last.decided;
  if (exit.orphaned === true)
    return new LambentError(
      last.loading ? 'E_START_FAILED' : 'E_INSTANCE_LOST',
      `the process of function ${name} was stopped: what starts processes had ended`,
    );
  const how = exit.signal === null ? `with exit code ${exit.code}` : `by signal ${exit.signal}`;
  const words = last.lastWords === undefined ? '' : `: ${last.lastWords}`;
  if (last.loading)
    return new LambentError(
      'E_BOOT_FAILED',
      `the process of function ${name} ended ${how} while it loaded its code${words}`,
      { hint: 'Read `lambent logs`: does the code end its own process while it loads?' },
    );
  return new LambentError(
    'E_FUNCTION_EXITED',
    `the process of function ${name} ended ${how} before it had answered${words}`,
  );
}
