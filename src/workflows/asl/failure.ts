/**
 * A state's failure by the error name and cause that AWS records. `location` is the field of a JSONata expression
 * that could not be evaluated: such failures have an event of their own in the history.
 */
export class StateFailure extends Error {
  override readonly name = 'StateFailure';
  /** `undefined`: a Fail state may give none. */
  readonly error: string | undefined;
  readonly reason: string | undefined;
  readonly location: string | undefined;

  constructor(error: string | undefined, reason: string | undefined, location?: string) {
    super(reason ?? error ?? 'failed');
    this.error = error;
    this.reason = reason;
    this.location = location;
  }
}

/** A mistake in data that no Retry or Catch may hide (`States.Runtime`); the cause gets the state's name in front. */
export class RuntimeFailure extends StateFailure {}

/** No heartbeat in time. AWS calls it a timeout like any other; only Retry and Catch know the name of its own. */
export class HeartbeatFailure extends StateFailure {
  constructor() {
    super('States.Timeout', undefined);
  }
}

export function runtimeFailure(reason: string): RuntimeFailure {
  return new RuntimeFailure('States.Runtime', reason);
}

/** A JSONata expression that failed, gave nothing, or gave a value of a wrong type. */
export function queryFailure(location: string, reason: string): RuntimeFailure {
  return new RuntimeFailure('States.QueryEvaluationError', reason, location);
}
