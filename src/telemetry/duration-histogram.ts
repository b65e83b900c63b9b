import { formatNumber, type MetricText } from './metric-text.ts';

/**
 * Upper bounds in microseconds, from half a millisecond (a warm call takes less) to a minute: fine where people
 * set targets, coarse beyond. One list for all durations, so that they can be compared.
 */
export const DURATION_BUCKETS_US: readonly number[] = [
  500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
  5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

const BUCKET_LABELS = [...DURATION_BUCKETS_US.map((us) => formatNumber(us / 1e6)), '+Inf'];

/** Counts durations by bucket. Observing costs some comparisons and no allocation. */
export class DurationHistogram {
  readonly #counts = new Float64Array(BUCKET_LABELS.length);
  #sumUs = 0;

  observe(us: number): void {
    let bucket = 0;
    while (bucket < DURATION_BUCKETS_US.length && us > DURATION_BUCKETS_US[bucket]!) bucket += 1;
    this.#counts[bucket]! += 1;
    this.#sumUs += us;
  }

  get count(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  /** Writes `_bucket`, `_sum` and `_count` in seconds. `labels` as `formatLabels` writes them. */
  write(text: MetricText, name: string, labels: string): void {
    const prefix = labels === '' ? '' : `${labels},`;
    let cumulative = 0;
    for (const [index, label] of BUCKET_LABELS.entries()) {
      cumulative += this.#counts[index]!;
      text.sample(`${name}_bucket`, `${prefix}le="${label}"`, cumulative);
    }
    text.sample(`${name}_sum`, labels, this.#sumUs / 1e6);
    text.sample(`${name}_count`, labels, cumulative);
  }
}
