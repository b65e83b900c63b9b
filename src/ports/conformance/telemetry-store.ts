import type { TelemetryStore } from '../telemetry-store.ts';
import type { OpenFresh } from './harness.ts';
import { exerciseInvocations } from './telemetry-invocations.ts';
import { exerciseLogs } from './telemetry-logs.ts';
import { exerciseRetention } from './telemetry-retention.ts';

/** Holds an adapter to every sentence of `TelemetryStore`. */
export function exerciseTelemetryStore(open: OpenFresh<TelemetryStore>): void {
  exerciseInvocations(open);
  exerciseLogs(open);
  exerciseRetention(open);
}
