import type { Clock } from '../base/clock.ts';
import type { InvocationRecord } from '../model/invocation.ts';
import type { Latency, LatencyView } from '../ports/latency.ts';

/*
 * How long calls took, by the minute of their arrival: of all, and of each function. Every call counts, in buckets that
 * grow by a quarter of a doubling, so that a quantile is right to a tenth. It is for the console's plots: it lives in
 * memory and knows the last hour; the history has the calls themselves.
 */

/** Minutes that are known, the present one included. */
export const LATENCY_MINUTES = 60;
/** Functions that are told apart; further ones count among all only. */
export const LATENCY_FUNCTIONS_MAX = 500;
const MINUTE_MS = 60_000;
/** The first bucket holds all that is shorter, the last all that is longer (20 minutes). */
const SHORTEST_US = 50;
const BUCKETS_A_DOUBLING = 4;
const BUCKETS = 100;

/** One ring of minutes, each a histogram; a minute is emptied when it comes round again. */
class Minutes {
  readonly #counts = new Uint32Array(LATENCY_MINUTES * BUCKETS);
  /** Which minute since the epoch each place of the ring holds. */
  readonly #held = new Float64Array(LATENCY_MINUTES);

  count(minute: number, us: number): void {
    const place = minute % LATENCY_MINUTES;
    // A call that ran for longer than an hour came at a minute that is gone.
    if (minute < this.#held[place]!) return;
    if (this.#held[place] !== minute) {
      this.#counts.fill(0, place * BUCKETS, (place + 1) * BUCKETS);
      this.#held[place] = minute;
    }
    this.#counts[place * BUCKETS + bucketOf(us)]! += 1;
  }

  /** Undefined: no call came in it, or it is forgotten. */
  at(minute: number): Uint32Array | undefined {
    const place = minute % LATENCY_MINUTES;
    if (this.#held[place] !== minute) return undefined;
    return this.#counts.subarray(place * BUCKETS, (place + 1) * BUCKETS);
  }
}

function latencyOf(counts: Uint32Array | undefined): Latency {
  if (counts === undefined) return NONE;
  const calls = counts.reduce((sum, count) => sum + count, 0);
  const at = (share: number): number => quantileOf(counts, calls, share);
  return { calls, p50Us: at(0.5), p95Us: at(0.95), p99Us: at(0.99) };
}

const NONE: Latency = { calls: 0, p50Us: 0, p95Us: 0, p99Us: 0 };

export interface LatencyMeter extends LatencyView {
  count(record: InvocationRecord): void;
}

export function createLatencyMeter(clock: Clock): LatencyMeter {
  const all = new Minutes();
  const functions = new Map<string, Minutes>();
  /** By version, so that a call needs no join of names. */
  const byVersion = new Map<string, Minutes>();

  const ofFunction = (record: InvocationRecord): Minutes | undefined => {
    const known = byVersion.get(record.version);
    if (known !== undefined) return known;
    const name = `${record.app}/${record.function}`;
    let minutes = functions.get(name);
    if (minutes === undefined) {
      if (functions.size >= LATENCY_FUNCTIONS_MAX) return undefined;
      minutes = new Minutes();
      functions.set(name, minutes);
    }
    // Versions come and go; what they point at stays.
    if (byVersion.size >= 4 * LATENCY_FUNCTIONS_MAX) byVersion.clear();
    byVersion.set(record.version, minutes);
    return minutes;
  };

  return {
    count(record) {
      const minute = Math.floor(record.arrivedMs / MINUTE_MS);
      const us = record.queueUs + record.startUs + record.runUs;
      all.count(minute, us);
      ofFunction(record)?.count(minute, us);
    },
    lastHour(of) {
      const ring = of === undefined ? all : functions.get(`${of.app}/${of.function}`);
      const first = Math.floor(clock.nowMs() / MINUTE_MS) - LATENCY_MINUTES + 1;
      const sum = new Uint32Array(BUCKETS);
      const minutes = Array.from({ length: LATENCY_MINUTES }, (_, at) => {
        const counts = ring?.at(first + at);
        counts?.forEach((count, bucket) => {
          sum[bucket]! += count;
        });
        return { fromMs: (first + at) * MINUTE_MS, ...latencyOf(counts) };
      });
      return { minutes, all: latencyOf(sum) };
    },
  };
}

function bucketOf(us: number): number {
  if (us <= SHORTEST_US) return 0;
  return Math.min(BUCKETS - 1, Math.ceil(Math.log2(us / SHORTEST_US) * BUCKETS_A_DOUBLING));
}

/** The middle of the bucket in which the value below which this share of the calls lies is. */
function quantileOf(counts: Uint32Array, calls: number, share: number): number {
  if (calls === 0) return 0;
  let left = Math.max(1, Math.ceil(calls * share));
  for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
    left -= counts[bucket]!;
    if (left <= 0) return Math.round(SHORTEST_US * 2 ** ((bucket - 0.5) / BUCKETS_A_DOUBLING));
  }
  return 0;
}
