import type { Arguments, OptionTable } from './command.ts';
import { parseAge } from './parse-age.ts';
import type { Terminal } from './terminal.ts';

/** Options that choose stored events. */
export const FILTER_OPTIONS: OptionTable = {
  type: { kind: 'text', value: 'TYPE', text: 'only events of this type' },
  source: { kind: 'text', value: 'SOURCE', text: 'only events from this source' },
  subject: { kind: 'text', value: 'SUBJECT', text: 'only events about this subject' },
  id: { kind: 'text', value: 'ID', text: 'only the event with this id' },
  text: { kind: 'text', value: 'TEXT', text: 'only events whose JSON holds this text' },
  since: { kind: 'text', value: 'AGE', text: 'only events younger than this: 30s, 10m, 2h, 7d' },
  until: { kind: 'text', value: 'AGE', text: 'only events older than this' },
};

/** The filter as the API takes it. Times are epoch milliseconds, as text. */
export function eventFilter(
  args: Arguments,
  terminal: Terminal,
): Readonly<Record<string, string | undefined>> {
  const timeOf = (option: string): string | undefined => {
    const ageMs = parseAge(option, args.text(option));
    return ageMs === undefined ? undefined : String(Math.floor(terminal.clock.nowMs() - ageMs));
  };
  return {
    type: args.text('type'),
    source: args.text('source'),
    subject: args.text('subject'),
    id: args.text('id'),
    text: args.text('text'),
    since: timeOf('since'),
    until: timeOf('until'),
  };
}
