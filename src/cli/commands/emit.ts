import { createUuidMinter } from '../../base/ids.ts';
import { systemRandom } from '../../base/random.ts';
import { createApiClient } from '../api-client.ts';
import type { PublishedView } from '../api-views.ts';
import { type Arguments, type Command, JSON_OPTION, SERVER_OPTIONS } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { readJsonInput } from '../json-input.ts';
import { counted, printJson } from '../output.ts';
import type { Terminal } from '../terminal.ts';

export const emitCommand: Command = {
  name: 'emit',
  summary: 'Put an event onto the bus',
  positionals: [{ name: 'TYPE', required: true }],
  options: {
    data: {
      kind: 'text',
      short: 'd',
      value: 'JSON',
      text: 'its data: JSON text, @file, or - for stdin (else none)',
    },
    source: { kind: 'text', value: 'SOURCE', text: 'where it happened (else /cli)' },
    subject: { kind: 'text', value: 'SUBJECT', text: 'what it happened to' },
    id: {
      kind: 'text',
      value: 'ID',
      text: 'its id (else a new one); the same id from the same source is one event',
    },
    app: { kind: 'text', value: 'APP', text: 'for this app alone (else for all)' },
    bus: { kind: 'text', value: 'BUS', text: 'for those who listen to this shared bus alone' },
    ...SERVER_OPTIONS,
    ...JSON_OPTION,
  },
  details:
    'When the command ends, the event is stored. Functions whose triggers match it run a moment later.',
  examples: [
    [`lambent emit order.placed --data '{"total": 150}'`, 'an event with data'],
    ['lambent emit order.placed --data @order.json --subject order/7', 'its data from a file'],
  ],
  run: emit,
};

async function emit(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const data = args.text('data');
  const event = {
    specversion: '1.0',
    id: args.text('id') ?? createUuidMinter(terminal.clock, systemRandom)(),
    source: args.text('source') ?? '/cli',
    type: args.positionals[0]!,
    subject: args.text('subject'),
    time: new Date(terminal.clock.nowMs()).toISOString(),
    ...(data === undefined
      ? {}
      : {
          datacontenttype: 'application/json',
          data: JSON.parse(new TextDecoder().decode(await readJsonInput(data, terminal))) as unknown,
        }),
  };
  const answer = await createApiClient(args, terminal).send<PublishedView>({
    method: 'POST',
    path: '/_lambent/events',
    query: { app: args.text('app'), bus: args.text('bus') },
    headers: { 'content-type': 'application/cloudevents+json' },
    body: Buffer.from(JSON.stringify(event)),
  });
  const [published] = answer.events;
  if (args.flag('json')) printJson(terminal.out, published);
  else if (published?.stored === false)
    terminal.out.write(`${event.id} was there already; nothing was done.\n`);
  else terminal.out.write(`${event.id} goes to ${counted(published?.owed ?? 0, 'trigger')}.\n`);
  return EXIT.ok;
}
