import type { StateType } from './definition.ts';
import type { Json } from './json-value.ts';

/** An event of an execution's history, in the shape of Step Functions' API but for the time, which is in epoch ms. */
export interface HistoryEvent {
  readonly id: number;
  readonly previousEventId: number;
  readonly timestampMs: number;
  readonly type: string;
  /** One more field has the details, named after the type: `stateEnteredEventDetails`. */
  readonly [details: string]: unknown;
}

/** A text of data in an event. Nothing is cut short here: states pass at most 256 KiB on. */
const WHOLE = { truncated: false };

export function enteredDetails(name: string, input: string): Record<string, unknown> {
  return { stateEnteredEventDetails: { name, input, inputDetails: WHOLE } };
}

export function exitedDetails(
  name: string,
  output: string,
  assigned: ReadonlyMap<string, Json> | undefined,
): Record<string, unknown> {
  const details: Record<string, unknown> = { name, output, outputDetails: WHOLE };
  if (assigned !== undefined && assigned.size > 0) {
    const texts = [...assigned].map(([variable, value]): [string, string] => [
      variable,
      JSON.stringify(value),
    ]);
    details.assignedVariables = Object.fromEntries(texts);
    details.assignedVariablesDetails = WHOLE;
  }
  return { stateExitedEventDetails: details };
}

export const inputOf = (input: string): Record<string, unknown> => ({ input, inputDetails: WHOLE });
export const outputOf = (output: string): Record<string, unknown> => ({ output, outputDetails: WHOLE });

/** Only these kinds of state have an event of their own for being given up halfway. */
const ABORTABLE: ReadonlySet<StateType> = new Set(['Task', 'Wait', 'Parallel', 'Map']);

export function abortedEvent(type: StateType): string | undefined {
  return ABORTABLE.has(type) ? `${type}StateAborted` : undefined;
}

/** Error and cause, each only when there is one. */
export function failureDetails(
  error: string | undefined,
  cause: string | undefined,
): Record<string, unknown> {
  return { ...(error !== undefined && { error }), ...(cause !== undefined && { cause }) };
}

export function iterationDetails(
  how: 'Started' | 'Succeeded' | 'Failed' | 'Aborted',
  name: string,
  index: number,
): Record<string, unknown> {
  return { [`mapIteration${how}EventDetails`]: { name, index } };
}
