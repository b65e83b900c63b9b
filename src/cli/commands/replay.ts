import { createApiClient } from '../api-client.ts';
import { usage } from '../arguments.ts';
import { type Arguments, type Command, JSON_OPTION, SERVER_OPTIONS } from '../command.ts';
import { eventFilter, FILTER_OPTIONS } from '../event-filter.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { counted, printJson } from '../output.ts';
import { withProgress } from '../progress.ts';
import type { Terminal } from '../terminal.ts';

export const replayCommand: Command = {
  name: 'replay',
  summary: 'Deliver stored events once more',
  positionals: [],
  options: {
    ...FILTER_OPTIONS,
    all: { kind: 'flag', text: 'every stored event, where no other option chooses' },
    trigger: {
      kind: 'text',
      value: 'APP/TRIGGER',
      text: 'only to this trigger, whatever its pattern (else to all that match)',
    },
    'dry-run': { kind: 'flag', text: 'say how many, and deliver nothing' },
    ...SERVER_OPTIONS,
    ...JSON_OPTION,
  },
  details: 'Functions get the same events with the same ids again. It says how many.',
  examples: [
    ['lambent replay --type order.placed --since 2h --dry-run', 'how many would it be?'],
    [
      'lambent replay --type order.placed --since 2h --trigger shop/bill-events',
      'after a mistake was mended',
    ],
    ['lambent replay --id 0199f3a0-5b7e-7c11-8a52-3f0c1d2e4b5a', 'one event, to all that match it'],
  ],
  run: replay,
};

async function replay(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const filter = eventFilter(args, terminal);
  const chooses = Object.values(filter).some((value) => value !== undefined);
  if (chooses === args.flag('all'))
    throw usage(
      '`lambent replay` needs to know which events',
      'Choose some with --type, --since and the like, or --all.',
    );
  const client = createApiClient(args, terminal);
  const answer = await withProgress(terminal, 'replaying', () =>
    client.send<{ events: number; deliveries: number }>({
      method: 'POST',
      path: '/events/replay',
      json: { ...filter, trigger: args.text('trigger'), dryRun: args.flag('dry-run') },
      patient: true,
    }),
  );
  const comes = args.flag('dry-run')
    ? 'would come of them'
    : answer.deliveries === 1
      ? 'comes of them'
      : 'come of them';
  if (args.flag('json')) printJson(terminal.out, answer);
  else
    terminal.out.write(
      `${counted(answer.events, 'event')} found; ${answer.deliveries === 1 ? '1 delivery' : `${answer.deliveries} deliveries`} ${comes}.\n`,
    );
  return EXIT.ok;
}
