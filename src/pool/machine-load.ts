import { type CpuInfo, cpus } from 'node:os';
import type { Clock } from '../base/clock.ts';

/** Below this share of idle time the machine has nothing left to give. */
const IDLE_SHARE_MIN = 0.1;
/** A measurement shorter than this says little (the system counts in steps of 10 ms). */
const SPAN_MIN_MS = 100;
/** One longer than this says little of now. */
const SPAN_MAX_MS = 2_000;

/** Whether the processors of this machine are all at work: measured only while somebody asks. */
export class MachineLoad {
  readonly #clock: Clock;
  readonly #read: () => readonly Pick<CpuInfo, 'times'>[];
  #atMs = Number.NEGATIVE_INFINITY;
  #idle = 0;
  #total = 0;
  #busy = true;

  constructor(clock: Clock, read: () => readonly Pick<CpuInfo, 'times'>[] = cpus) {
    this.#clock = clock;
    this.#read = read;
  }

  /** True also while it is not known: at the first question, and after a long time without one. */
  isBusy(): boolean {
    const nowMs = this.#clock.monotonicMs();
    const spanMs = nowMs - this.#atMs;
    if (spanMs < SPAN_MIN_MS) return this.#busy;
    let idle = 0;
    let total = 0;
    for (const { times } of this.#read()) {
      idle += times.idle;
      total += times.idle + times.user + times.nice + times.sys + times.irq;
    }
    const share = (idle - this.#idle) / Math.max(1, total - this.#total);
    this.#busy = spanMs > SPAN_MAX_MS || share < IDLE_SHARE_MIN;
    this.#atMs = nowMs;
    this.#idle = idle;
    this.#total = total;
    return this.#busy;
  }
}
