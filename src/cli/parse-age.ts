import { quoted, usage } from './arguments.ts';

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of `30s`, `10m`, `2h`, `7d`. */
export function parseAge(option: string, given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  const [, digits, unit] = /^(\d{1,6})([smhd])$/.exec(given) ?? [];
  if (digits !== undefined && unit !== undefined) return Number(digits) * UNIT_MS[unit]!;
  throw usage(`--${option} cannot be ${quoted(given)}`, 'Write it like 30s, 10m, 2h or 7d.');
}
