const MS_BY_UNIT: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
/** A year and a day: whoever waits longer names a date. */
const DURATION_MS_MAX = 366 * 86_400_000;

/** Milliseconds of a number of seconds or a text such as `500ms`, `30s`, `5m`, `1h`, `7d`. */
export function parseDurationMs(value: number | string): number {
  const found = typeof value === 'string' ? /^(\d+(?:\.\d+)?)\s?(ms|s|m|h|d)$/.exec(value) : null;
  const ms =
    typeof value === 'number'
      ? value * 1_000
      : found === null
        ? Number.NaN
        : Number(found[1]) * MS_BY_UNIT[found[2]!]!;
  if (!(ms >= 0 && ms <= DURATION_MS_MAX))
    throw new TypeError(
      `a duration is a number of seconds or a text such as '500ms', '30s', '5m', '1h', '7d', at most a year; this one is ${JSON.stringify(value)}`,
    );
  return Math.round(ms);
}
