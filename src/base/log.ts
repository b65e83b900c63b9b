import type { Clock } from './clock.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** The platform's own log (not that of functions). Never pass a secret: fields are written as they are. */
export interface Log {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

const RANK: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Writes one JSON object a line: `time`, `level`, `message` and the fields. */
export function createLog(write: (line: string) => void, clock: Clock, least: LogLevel = 'info'): Log {
  return createLeveled(least, (level, message, fields) =>
    write(`${JSON.stringify({ time: new Date(clock.nowMs()).toISOString(), level, message, ...fields })}\n`),
  );
}

/** Writes a line for a person: `09:05:01  warn: message (field: "value")`, in local time. */
export function createTextLog(write: (line: string) => void, clock: Clock, least: LogLevel = 'info'): Log {
  return createLeveled(least, (level, message, fields = {}) => {
    // As JSON, so that each stays on the line and cannot steer the terminal.
    const values = Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
      .join(', ');
    const [time] = new Date(clock.nowMs()).toTimeString().split(' ');
    write(`${time}  ${level}: ${message}${values === '' ? '' : ` (${values})`}\n`);
  });
}

function createLeveled(
  least: LogLevel,
  write: (level: LogLevel, message: string, fields?: Record<string, unknown>) => void,
): Log {
  const emit: typeof write = (level, message, fields) => {
    if (RANK[level] >= RANK[least]) write(level, message, fields);
  };
  return {
    debug: (message, fields) => emit('debug', message, fields),
    info: (message, fields) => emit('info', message, fields),
    warn: (message, fields) => emit('warn', message, fields),
    error: (message, fields) => emit('error', message, fields),
  };
}

/** A log that keeps nothing: for tests that do not look at it. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
