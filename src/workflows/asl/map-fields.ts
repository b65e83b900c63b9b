import { runtimeFailure } from './failure.ts';
import type { JsonObject } from './json-value.ts';
import { evaluateAs } from './jsonata-expression.ts';
import type { Thread } from './machine-state.ts';
import { requireByPath, type Scope } from './path-scope.ts';
import type { Run } from './run.ts';

/** A field that is an integer, or given by a path to one, or by an expression for one. */
export async function wholeNumber(
  run: Run,
  thread: Thread,
  name: string,
  scope: Scope,
): Promise<number | undefined> {
  return numberField(run, thread, thread.node.definition, name, scope, 'integer');
}

/** `place`: where in the state its `holder` is, with a `/` behind; an expression that fails is told by it. */
export async function numberField(
  run: Run,
  thread: Thread,
  holder: JsonObject,
  name: string,
  scope: Scope,
  form: 'integer' | 'float',
  place = '',
): Promise<number | undefined> {
  const literal = holder[name];
  if (typeof literal === 'number') return literal;
  if (literal !== undefined)
    return (await evaluateAs(literal, `${place}${name}`, 'number', run.queryScope(thread))) as number;
  const path = holder[`${name}Path`];
  if (typeof path !== 'string') return undefined;
  const value = requireByPath(path, `${name}Path`, scope);
  const shown = typeof value === 'string' ? value : JSON.stringify(value);
  if ((form === 'integer' ? /^-?\d{1,15}$/ : /^-?\d{1,15}(?:\.\d+)?$/).test(shown)) return Number(shown);
  throw runtimeFailure(
    `The ${name}Path field refers to value "${shown}" which is not a valid ${form}: ${path}`,
  );
}

export async function toleranceOf(
  run: Run,
  thread: Thread,
  scope: Scope,
): Promise<{ count?: number; percentage?: number }> {
  const count = await wholeNumber(run, thread, 'ToleratedFailureCount', scope);
  if (count !== undefined && count < 0) throw runtimeFailure('ToleratedFailureCount cannot be negative.');
  const { definition } = thread.node;
  const percentage = await numberField(run, thread, definition, 'ToleratedFailurePercentage', scope, 'float');
  if (percentage !== undefined && !(percentage >= 0 && percentage <= 100)) {
    throw runtimeFailure('ToleratedFailurePercentage must be between 0 and 100.');
  }
  return { ...(count !== undefined && { count }), ...(percentage !== undefined && { percentage }) };
}
