import type { LogLine, LogSeverity } from '../model/invocation.ts';
import { formatClock, type Style, visibleWithColours } from './output.ts';

/**
 * `09:05:01  hello  text`, ending in a newline. What was written in one piece over several lines, such as an error
 * with its stack, stays together: its further lines are indented.
 */
export function formatLogLine(line: LogLine, style: Style): string {
  const name = style.cyan(line.function);
  const mark = severityMark(line.severity, style);
  const [first, ...more] = line.text
    .trimEnd()
    .split(/\r?\n/)
    .map((text) => visibleWithColours(text, style.colours));
  const heading = `${style.dim(formatClock(line.timeMs))}  ${name}  ${mark}${first}`;
  return `${[heading, ...more.map((text) => (text === '' ? '' : `    ${text}`))].join('\n')}\n`;
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
