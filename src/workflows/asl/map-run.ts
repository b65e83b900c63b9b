import type { StateFailure } from './failure.ts';
import { failureDetails } from './history-event.ts';
import type { MapRun, Thread } from './machine-state.ts';
import type { Run } from './run.ts';

export const THRESHOLD_ERROR = 'States.ExceedToleratedFailureThreshold';
/** Failures that a map run remembers in full. */
const FAILURES_KEPT = 1_000;

/** Begins a distributed Map, with its event. */
export function beginMapRun(
  run: Run,
  thread: Thread,
  concurrency: number,
  tolerance: { count?: number; percentage?: number },
): MapRun {
  const { facts, mapRuns } = run.state;
  const label =
    typeof thread.node.definition.Label === 'string'
      ? thread.node.definition.Label
      : thread.node.name.slice(0, 40);
  const machine = facts.stateMachineId.replace(':stateMachine:', ':mapRun:');
  const mapRun: MapRun = {
    name: `${machine}/${label}:${facts.runId}-${mapRuns.length + 1}`,
    label,
    startedMs: run.nowMs,
    endedMs: undefined,
    status: 'RUNNING',
    concurrency,
    toleratedCount: tolerance.count,
    toleratedPercentage: tolerance.percentage,
    total: 0,
    items: 0,
    succeeded: 0,
    failed: 0,
    redrives: 0,
    redrivenMs: undefined,
    failures: [],
  };
  mapRuns.push(mapRun);
  run.emit(thread, 'MapRunStarted', { mapRunStartedEventDetails: { mapRunArn: mapRun.name } });
  return mapRun;
}

/** Takes a distributed Map up again that had ended, with its event. */
export function redriveMapRun(run: Run, thread: Thread, mapRun: MapRun): void {
  Object.assign(mapRun, { status: 'RUNNING', endedMs: undefined, failed: 0 });
  mapRun.failures.length = 0;
  mapRun.redrives += 1;
  mapRun.redrivenMs = run.nowMs;
  run.emit(thread, 'MapRunRedriven', {
    mapRunRedrivenEventDetails: { mapRunArn: mapRun.name, redriveCount: mapRun.redrives },
  });
}

export function endMapRun(run: Run, thread: Thread, mapRun: MapRun, failure?: StateFailure): void {
  mapRun.status = failure === undefined ? 'SUCCEEDED' : 'FAILED';
  mapRun.endedMs = run.nowMs;
  mapRun.failures.length = Math.min(mapRun.failures.length, FAILURES_KEPT);
  if (failure === undefined) run.emit(thread, 'MapRunSucceeded');
  else
    run.emit(thread, 'MapRunFailed', {
      mapRunFailedEventDetails: failureDetails(failure.error, failure.reason),
    });
}

/** Whether more iterations have failed than the state says it bears: none, when it says nothing. */
export function breachesTolerance(mapRun: MapRun): boolean {
  const { failed, total, toleratedCount: count, toleratedPercentage: percentage } = mapRun;
  if (count === undefined && percentage === undefined) return failed > 0;
  return (
    (count !== undefined && failed > count) ||
    (percentage !== undefined && (failed * 100) / total > percentage)
  );
}
