import { totalmem } from 'node:os';
import { availableMemory } from 'node:process';
import type { Clock } from '../base/clock.ts';
import type { Instance } from './instance.ts';

/** How often it is looked at. */
const LOOK_MS = 500;
/** What an instance gives back at least, whatever is known of it. */
const INSTANCE_BYTES_MIN = 8 * 2 ** 20;

/** What the machine, or the control group that the platform is in, always has left: a share of it within bounds. */
export function memoryToSpare(totalBytes = totalmem()): number {
  return Math.min(2 ** 30, Math.max(128 * 2 ** 20, totalBytes * 0.05));
}

/**
 * Instances without work keep their memory because their next call is faster then, but only while the machine has
 * memory to spare. When it has not, those go that have been without work longest, as many as it takes.
 */
export class MemoryBudget {
  readonly #clock: Clock;
  readonly #spareBytes: number;
  #lookedMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, spareBytes: number) {
    this.#clock = clock;
    this.#spareBytes = spareBytes;
  }

  /** How many bytes are missing; 0 also when it was looked at a moment ago. */
  missingBytes(): number {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#lookedMs < LOOK_MS) return 0;
    this.#lookedMs = nowMs;
    return Math.max(0, this.#spareBytes - availableMemory());
  }
}

type Weighed = Pick<Instance, 'state' | 'active' | 'idleSinceMs' | 'memoryPeakKb'>;

/** Which of these to end for so many bytes: those without work, the longest idle first. */
export function chooseIdle<One extends Weighed>(instances: Iterable<One>, bytes: number): One[] {
  const idle = [...instances]
    .filter(({ state, active }) => state === 'ready' && active === 0)
    .sort((a, b) => a.idleSinceMs - b.idleSinceMs);
  let left = bytes;
  const chosen: One[] = [];
  for (const instance of idle) {
    if (left <= 0) break;
    chosen.push(instance);
    left -= Math.max(INSTANCE_BYTES_MIN, instance.memoryPeakKb * 1024);
  }
  return chosen;
}
