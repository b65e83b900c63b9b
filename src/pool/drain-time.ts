import type { FunctionConfig } from '../model/function.ts';

const DRAIN_MS = 5_000;
const BACKGROUND_MS_MAX = 900_000;

/**
 * An instance told to drain is ended after this time at the latest, on top of the time that its invocations have:
 * work that goes on after an answer (`waitUntil`) may take as long again, up to BACKGROUND_MS_MAX.
 */
export function drainTimeMs({ timeoutMs }: FunctionConfig): number {
  return DRAIN_MS + Math.min(timeoutMs, BACKGROUND_MS_MAX);
}
