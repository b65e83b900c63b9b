/** How times, sizes and amounts are written. */

/** `0`, `42 µs`, `4.2 ms`, `38 ms`, `1.2 s`: two digits say enough. */
export function duration(us: number): string {
  if (us < 1_000) return us === 0 ? '0' : `${Math.round(us)} µs`;
  if (us < 1_000_000) return `${short(us / 1_000)} ms`;
  return us < 60_000_000 ? `${short(us / 1_000_000)} s` : span(us / 1_000);
}

const short = (value: number): string => (value < 10 ? String(Number(value.toFixed(1))) : value.toFixed(0));

/** Calls a minute: `0.5/min`, `48/min`, `12/s`. */
export function rate(perMinute: number): string {
  if (perMinute < 120) return `${short(perMinute)}/min`;
  return `${compact(Number(short(perMinute / 60)))}/s`;
}

/** Of times that are known to the millisecond: `< 1 ms`, `38 ms`, `1.2 s`. */
export function elapsed(ms: number): string {
  if (ms < 1) return '< 1 ms';
  return ms < 1_000 ? `${Math.round(ms)} ms` : duration(ms * 1_000);
}

/** `12 s`, `5 min`, `3 h`, `2 d`. */
export function span(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1_000));
  if (s < 60) return `${s} s`;
  if (s < 3_600) return `${Math.floor(s / 60)} min`;
  return s < 86_400 ? `${Math.floor(s / 3_600)} h` : `${Math.floor(s / 86_400)} d`;
}

export const clock = (ms: number): string =>
  new Date(ms).toLocaleTimeString(undefined, {
    hour12: false,
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });

export const dateAndClock = (ms: number): string =>
  `${new Date(ms).toLocaleDateString(undefined, { month: 'short', day: 'numeric' })} ${clock(ms)}`;

/** A day as the API counts them, by UTC. */
export const day = (ms: number): string =>
  new Date(ms).toLocaleDateString(undefined, { month: 'short', day: 'numeric', timeZone: 'UTC' });

export const exact = (ms: number): string => new Date(ms).toISOString();

export const count = (value: number): string => value.toLocaleString('en');

export function compact(value: number): string {
  return value < 10_000
    ? count(value)
    : new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 }).format(value);
}

/** To the cent, small amounts to two digits; below `finest` (not under 0.000001) it says only that it is less. */
export function dollars(usd: number, finest = 0.0001): string {
  if (usd === 0) return '$0';
  return usd < 0.01 ? (usd < finest ? `<$${finest}` : `$${usd.toPrecision(2)}`) : `$${usd.toFixed(2)}`;
}

export function bytes(value: number): string {
  if (value < 1_024) return `${value} B`;
  return value < 1_048_576 ? `${(value / 1_024).toFixed(1)} kB` : `${(value / 1_048_576).toFixed(1)} MB`;
}

export const percent = (part: number, whole: number): string =>
  whole === 0 ? '0 %' : `${((part / whole) * 100).toFixed(part > 0 && part / whole < 0.1 ? 1 : 0)} %`;

export const pretty = (value: unknown): string => JSON.stringify(value, null, 2) ?? 'null';

export function plural(value: number, noun: string, nouns = `${noun}s`): string {
  return `${count(value)} ${value === 1 ? noun : nouns}`;
}
