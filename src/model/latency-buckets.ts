/*
 * Buckets in which durations are counted. They grow by a quarter of a doubling, so that a quantile is right to a tenth.
 * Counts are stored by them: other buckets are another table.
 */

/** The first bucket holds all that is shorter, the last all that is longer (20 minutes). */
const SHORTEST_US = 50;
const BUCKETS_A_DOUBLING = 4;
export const LATENCY_BUCKETS = 100;

export function latencyBucketOf(us: number): number {
  if (us <= SHORTEST_US) return 0;
  return Math.min(LATENCY_BUCKETS - 1, Math.ceil(Math.log2(us / SHORTEST_US) * BUCKETS_A_DOUBLING));
}

/** The middle of a bucket, in whole microseconds. */
export function latencyOfBucket(bucket: number): number {
  return Math.round(SHORTEST_US * 2 ** ((bucket - 0.5) / BUCKETS_A_DOUBLING));
}
