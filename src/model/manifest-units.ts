/**
 * Durations and sizes as people write them. Commands read them as well, which is why nothing of schemas is loaded here.
 */

/** Text durations: a number and one of `ms`, `s`, `m`, `h`. */
export const DURATION_TEXT = /^\d+(\.\d+)?\s?(ms|s|m|h)$/;
/** Text sizes: a number and `mb` or `gb` (2^20 and 2^30 bytes). */
export const MEMORY_TEXT = /^\d+(\.\d+)?\s?([mM]|[gG])[bB]?$/;

const MS_BY_UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Milliseconds of `30s`, `500ms`, `5m`, `1h`, or of a number of seconds. `undefined`: not a duration. */
export function parseDurationMs(value: string | number): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? Math.round(value * 1_000) : undefined;
  if (!DURATION_TEXT.test(value)) return undefined;
  const unit = /[a-z]+$/.exec(value)![0];
  return Math.round(Number.parseFloat(value) * MS_BY_UNIT[unit]!);
}

/** Megabytes (2^20) of `256mb`, `1gb`, or of a number of megabytes, rounded up. `undefined`: not a size. */
export function parseMemoryMb(value: string | number): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? Math.ceil(value) : undefined;
  if (!MEMORY_TEXT.test(value)) return undefined;
  return Math.ceil(Number.parseFloat(value) * (/g/i.test(value) ? 1_024 : 1));
}
