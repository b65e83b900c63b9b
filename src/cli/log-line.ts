import type { LogLine, LogSeverity } from '../model/invocation.ts';
import { formatClock, type Style, visibleWithColours } from './output.ts';

/** `09:05:01  hello  text`: one line of a function's log, ending in a newline. */
export function formatLogLine(line: LogLine, style: Style): string {
  const name = style.cyan(line.function);
  const mark = severityMark(line.severity, style);
  const text = visibleWithColours(line.text, style.colours);
  return `${style.dim(formatClock(line.timeMs))}  ${name}  ${mark}${text}\n`;
}

function severityMark(severity: LogSeverity, style: Style): string {
  switch (severity) {
    case 'error':
    case 'fatal':
      return style.red(`${severity}: `);
    case 'warn':
      return style.yellow('warn: ');
    case 'trace':
    case 'debug':
    case 'info':
      return '';
  }
}
