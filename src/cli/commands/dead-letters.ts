import { nearestOf } from '../../base/nearest.ts';
import { type ApiClient, createApiClient } from '../api-client.ts';
import type { DeadLetterView, Items } from '../api-views.ts';
import { parseWholeNumber, quoted, usage } from '../arguments.ts';
import { type Arguments, type Command, JSON_OPTION, SERVER_OPTIONS } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { readJsonInput } from '../json-input.ts';
import { counted, createStyle, formatTime, printJson, renderTable, visible } from '../output.ts';
import type { Terminal } from '../terminal.ts';

const ACTS = ['list', 'show', 'edit', 'redrive', 'remove'] as const;
const LIMIT_DEFAULT = 50;

export const deadLettersCommand: Command = {
  name: 'dead-letters',
  summary: 'What could not be delivered: list, show, edit, redrive, remove',
  positionals: [
    { name: 'list|show|edit|redrive|remove', required: false },
    { name: 'KEY', required: false, repeats: true },
  ],
  options: {
    trigger: { kind: 'text', value: 'APP/TRIGGER', text: 'only those of this trigger' },
    all: { kind: 'flag', text: 'redrive or remove all (of --trigger) instead of naming keys' },
    data: {
      kind: 'text',
      short: 'd',
      value: 'JSON',
      text: 'edit: the event in its place: JSON, @file, or - for stdin',
    },
    limit: { kind: 'text', value: 'N', text: `list: at most N (${LIMIT_DEFAULT})` },
    ...SERVER_OPTIONS,
    ...JSON_OPTION,
  },
  details: 'A redriven dead letter is delivered again, with its attempts begun anew.',
  examples: [
    ['lambent dead-letters', 'the oldest ones, each with its error'],
    [
      'lambent dead-letters redrive --all --trigger shop/bill-events',
      'the function is mended: try all of them again',
    ],
    ['lambent dead-letters show 17 --json | jq .event > e.json', 'one with its event, for an editor'],
    ['lambent dead-letters edit 17 --data @e.json', 'what a redrive is to deliver instead'],
  ],
  run: deadLetters,
};

async function deadLetters(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const [given = 'list', ...texts] = args.positionals;
  const act = ACTS.find((each) => each === given);
  if (act === undefined) {
    const meant = nearestOf(given, ACTS);
    const suggestion = meant === undefined ? '' : ` Did you mean ${meant}?`;
    throw usage(
      `\`lambent dead-letters\` cannot ${quoted(given)}`,
      `It can ${ACTS.join(', ')}.${suggestion}`,
    );
  }
  const keys = texts.map((text) => parseWholeNumber('KEY', text, 1, Number.MAX_SAFE_INTEGER));
  const client = createApiClient(args, terminal);
  switch (act) {
    case 'list':
      return list(client, args, terminal);
    case 'show':
      return show(client, oneKey(keys, act), args, terminal);
    case 'edit':
      return edit(client, oneKey(keys, act), args, terminal);
    case 'redrive':
    case 'remove':
      return move(client, act, keys, args, terminal);
  }
}

function oneKey(keys: readonly number[], act: string): number {
  if (keys.length === 1) return keys[0]!;
  throw usage(`\`lambent dead-letters ${act}\` takes one key`, `As in \`lambent dead-letters ${act} 17\`.`);
}

async function list(client: ApiClient, args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const limit = args.wholeNumber('limit', 1, 1_000) ?? LIMIT_DEFAULT;
  const query = { trigger: args.text('trigger'), limit };
  const answer = await client.send<Items<DeadLetterView>>({ method: 'GET', path: '/dead-letters', query });
  if (args.flag('json')) printJson(terminal.out, answer);
  else if (answer.items.length === 0) terminal.err.write('There are no dead letters.\n');
  else {
    const rows = answer.items.map((each) => [
      String(each.key),
      formatTime(each.diedMs),
      each.trigger,
      each.type,
      String(each.attempts),
      `${each.error.errorType}: ${each.error.errorMessage}`,
    ]);
    const titles = ['KEY', 'DIED', 'TRIGGER', 'TYPE', 'ATTEMPTS', 'ERROR'].map((title) => ({ title }));
    terminal.out.write(renderTable(titles, rows, createStyle(terminal.out, terminal.env)));
  }
  return EXIT.ok;
}

async function show(client: ApiClient, key: number, args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const found = await client.send<DeadLetterView & { event: unknown }>({
    method: 'GET',
    path: `/dead-letters/${key}`,
  });
  if (args.flag('json')) printJson(terminal.out, found);
  else {
    const { error, trigger, attempts } = found;
    terminal.out.write(`${visible(JSON.stringify(found.event))}\n`);
    terminal.err.write(`${trigger}, after ${counted(attempts, 'attempt')}: ${visible(error.errorMessage)}\n`);
    for (const line of error.stackTrace) terminal.err.write(`  ${visible(line.trim())}\n`);
  }
  return EXIT.ok;
}

async function edit(client: ApiClient, key: number, args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const data = args.text('data');
  if (data === undefined)
    throw usage(
      '`lambent dead-letters edit` needs --data',
      'As in `lambent dead-letters edit 17 --data @event.json`.',
    );
  await client.send({
    method: 'PUT',
    path: `/dead-letters/${key}/event`,
    headers: { 'content-type': 'application/json' },
    body: await readJsonInput(data, terminal),
  });
  if (args.flag('json')) printJson(terminal.out, { key });
  else
    terminal.out.write(
      `Dead letter ${key} holds that event now. \`lambent dead-letters redrive ${key}\` delivers it.\n`,
    );
  return EXIT.ok;
}

async function move(
  client: ApiClient,
  act: 'redrive' | 'remove',
  keys: readonly number[],
  args: Arguments,
  terminal: Terminal,
): Promise<ExitCode> {
  const all = args.flag('all');
  if (all === keys.length > 0)
    throw usage(
      `\`lambent dead-letters ${act}\` takes keys, or --all`,
      `As in \`lambent dead-letters ${act} 17 18\` or \`lambent dead-letters ${act} --all\`.`,
    );
  const trigger = args.text('trigger');
  const answer = await client.send<{ count: number }>({
    method: 'POST',
    path: `/dead-letters/${act}`,
    json: all ? { all, trigger } : { keys },
    patient: true,
  });
  if (args.flag('json')) printJson(terminal.out, answer);
  else {
    const what = act === 'redrive' ? 'is delivered again' : 'is gone';
    const many = act === 'redrive' ? 'are delivered again' : 'are gone';
    terminal.out.write(`${counted(answer.count, 'dead letter')} ${answer.count === 1 ? what : many}.\n`);
  }
  return EXIT.ok;
}
