import type { AppName, FunctionName } from '../model/function.ts';

/** Minutes that are known, the present one included. */
export const LATENCY_MINUTES = 60;

/** How long calls took, from arrival to end. */
export interface Latency {
  readonly calls: number;
  /** Microseconds, right to a tenth; 0 where there was no call. */
  readonly p50Us: number;
  readonly p95Us: number;
  readonly p99Us: number;
}

export interface LatencyHour {
  /** The oldest first, the present one last. By when calls arrived; `fromMs`: epoch milliseconds. */
  readonly minutes: readonly (Latency & { readonly fromMs: number })[];
  readonly all: Latency;
}

export interface LatencyView {
  /** Of all calls of the last 60 minutes, or of one function's. */
  lastHour(of: { readonly app: AppName; readonly function: FunctionName } | undefined): LatencyHour;
}
