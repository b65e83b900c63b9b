import { LambentError } from '../base/errors.ts';
import type { FunctionVersion } from '../model/function.ts';

/** Why the platform ends an instance or a call in it, in words for the caller. */

export function timedOut({ name, config }: FunctionVersion): LambentError {
  const text = `function ${name} did not finish within ${config.timeoutMs / 1000} s and was stopped`;
  return new LambentError('E_FUNCTION_TIMEOUT', text);
}

export function blockedByAnother(): LambentError {
  return new LambentError(
    'E_FUNCTION_EXITED',
    'another call in the same process blocked it and was stopped with it',
    { hint: 'Lower `concurrency` for this function, or move long computation out of it.' },
  );
}

export function brokeProtocol({ name }: FunctionVersion, what: string): LambentError {
  return new LambentError('E_PROTOCOL', `the process of function ${name} broke the protocol: ${what}`);
}

export function begunByNone({ name }: FunctionVersion, instances: number): LambentError {
  const text = `${instances} processes of function ${name} took the call and gave it back without beginning it`;
  return new LambentError('E_PROTOCOL', text);
}

export function notWanted(): LambentError {
  return new LambentError('E_SHUTTING_DOWN', 'the instance was no longer wanted before it was ready');
}

export function didNotEnd(): LambentError {
  return new LambentError('E_SHUTTING_DOWN', 'the instance did not end when asked');
}
