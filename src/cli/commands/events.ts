import { createApiClient, segment } from '../api-client.ts';
import type { EventView, FoundEventView, Items } from '../api-views.ts';
import { parseWholeNumber } from '../arguments.ts';
import { type Arguments, type Command, JSON_OPTION, SERVER_OPTIONS } from '../command.ts';
import { eventFilter, FILTER_OPTIONS } from '../event-filter.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { createStyle, formatTime, printJson, renderTable, visible } from '../output.ts';
import type { Terminal } from '../terminal.ts';

const LIMIT_DEFAULT = 20;

export const eventsCommand: Command = {
  name: 'events',
  summary: 'List stored events, or show one',
  positionals: [{ name: 'SEQ', required: false }],
  options: {
    ...FILTER_OPTIONS,
    limit: { kind: 'text', value: 'N', text: `the last N that match (${LIMIT_DEFAULT})` },
    ...SERVER_OPTIONS,
    ...JSON_OPTION,
  },
  details: 'SEQ is an event’s place in the log, as the list shows it: then the whole event is shown.',
  examples: [
    ['lambent events --type order.placed --since 1h', 'what happened in the last hour'],
    ['lambent events 42', 'one event, and where it still has to go'],
  ],
  run: events,
};

async function events(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const client = createApiClient(args, terminal);
  const [given] = args.positionals;
  if (given !== undefined) {
    const seq = parseWholeNumber('SEQ', given, 1, Number.MAX_SAFE_INTEGER);
    const found = await client.send<FoundEventView>({ method: 'GET', path: `/events/${segment(seq)}` });
    if (args.flag('json')) printJson(terminal.out, found);
    else {
      terminal.out.write(`${visible(JSON.stringify(found.event))}\n`);
      for (const [what, ids] of [
        ['Owed to', found.owedTo],
        ['Dead at', found.deadAt],
      ] as const)
        if (ids.length > 0) terminal.err.write(`${what} ${ids.join(', ')}.\n`);
    }
    return EXIT.ok;
  }
  const limit = args.wholeNumber('limit', 1, 1_000) ?? LIMIT_DEFAULT;
  const query = { ...eventFilter(args, terminal), limit };
  const items: EventView[] = [];
  // A page may hold fewer than it looked at: with a narrow filter the first match can be pages away.
  for (let before: number | undefined; items.length < limit; ) {
    const page: Items<EventView> & { next?: number | null } = await client.send({
      method: 'GET',
      path: '/events',
      query: { ...query, before },
    });
    items.push(...page.items);
    if (page.next === undefined || page.next === null) break;
    before = page.next;
  }
  const shown = items.slice(0, limit);
  if (args.flag('json')) printJson(terminal.out, { items: shown });
  else if (shown.length === 0) terminal.err.write('There are no such events.\n');
  else {
    const rows = shown.map((each) => [
      String(each.seq),
      formatTime(each.receivedMs),
      each.type,
      each.source,
      each.subject ?? '',
      each.id,
    ]);
    const titles = ['SEQ', 'RECEIVED', 'TYPE', 'SOURCE', 'SUBJECT', 'ID'].map((title) => ({ title }));
    terminal.out.write(renderTable(titles, rows, createStyle(terminal.out, terminal.env)));
  }
  return EXIT.ok;
}
