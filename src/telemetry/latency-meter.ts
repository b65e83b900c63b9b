import type { Clock } from '../base/clock.ts';
import type { InvocationRecord } from '../model/invocation.ts';
import { LATENCY_BUCKETS, latencyBucketOf, latencyOfBucket } from '../model/latency-buckets.ts';
import { LATENCY_MINUTES, type Latency, type LatencyView } from '../ports/latency.ts';
import type { LatencyMinute } from '../ports/telemetry-store.ts';

/*
 * How long calls took, by the minute of their arrival: of all, and of each function. Every call counts, in buckets that
 * make a quantile right to a tenth. It is for the console's plots: it lives in memory and knows the last hour; what
 * of it came before the start, the store has counted.
 */

/** Functions that are told apart; further ones count among all only. */
export const LATENCY_FUNCTIONS_MAX = 500;
const MINUTE_MS = 60_000;

/** One ring of minutes, each a histogram; a minute is emptied when it comes round again. */
class Minutes {
  readonly #counts = new Uint32Array(LATENCY_MINUTES * LATENCY_BUCKETS);
  /** Which minute since the epoch each place of the ring holds. */
  readonly #held = new Float64Array(LATENCY_MINUTES);

  count(minute: number, us: number): void {
    const from = this.#open(minute);
    if (from >= 0) this.#counts[from + latencyBucketOf(us)]! += 1;
  }

  add(minute: number, counts: Uint32Array): void {
    const from = this.#open(minute);
    if (from < 0) return;
    counts.forEach((count, bucket) => {
      this.#counts[from + bucket]! += count;
    });
  }

  /** Undefined: no call came in it, or it is forgotten. */
  at(minute: number): Uint32Array | undefined {
    const place = minute % LATENCY_MINUTES;
    if (this.#held[place] !== minute) return undefined;
    return this.#counts.subarray(place * LATENCY_BUCKETS, (place + 1) * LATENCY_BUCKETS);
  }

  /** Where its counts begin; -1: its place is another minute's by now, as of a call that ran for longer than an hour. */
  #open(minute: number): number {
    const place = minute % LATENCY_MINUTES;
    if (minute < this.#held[place]!) return -1;
    const from = place * LATENCY_BUCKETS;
    if (this.#held[place] !== minute) {
      this.#counts.fill(0, from, from + LATENCY_BUCKETS);
      this.#held[place] = minute;
    }
    return from;
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
  /** Adds what was counted before the platform started. */
  add(minutes: readonly LatencyMinute[]): void;
}

export function createLatencyMeter(clock: Clock): LatencyMeter {
  const all = new Minutes();
  const functions = new Map<string, Minutes>();
  /** By version, so that a call needs no join of names. */
  const byVersion = new Map<string, Minutes>();

  const ofFunction = (app: string, name: string): Minutes | undefined => {
    const key = `${app}/${name}`;
    let minutes = functions.get(key);
    if (minutes === undefined && functions.size < LATENCY_FUNCTIONS_MAX) {
      minutes = new Minutes();
      functions.set(key, minutes);
    }
    return minutes;
  };
  const ofVersion = (record: InvocationRecord): Minutes | undefined => {
    const known = byVersion.get(record.version);
    if (known !== undefined) return known;
    const minutes = ofFunction(record.app, record.function);
    if (minutes === undefined) return undefined;
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
      ofVersion(record)?.count(minute, us);
    },
    add(minutes) {
      for (const { startMs, app, function: name, counts } of minutes) {
        const minute = Math.floor(startMs / MINUTE_MS);
        all.add(minute, counts);
        ofFunction(app, name)?.add(minute, counts);
      }
    },
    lastHour(of) {
      const ring = of === undefined ? all : functions.get(`${of.app}/${of.function}`);
      const first = Math.floor(clock.nowMs() / MINUTE_MS) - LATENCY_MINUTES + 1;
      const sum = new Uint32Array(LATENCY_BUCKETS);
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

/** The middle of the bucket in which the value below which this share of the calls lies is. */
function quantileOf(counts: Uint32Array, calls: number, share: number): number {
  if (calls === 0) return 0;
  let left = Math.max(1, Math.ceil(calls * share));
  for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket += 1) {
    left -= counts[bucket]!;
    if (left <= 0) return latencyOfBucket(bucket);
  }
  return 0;
}
