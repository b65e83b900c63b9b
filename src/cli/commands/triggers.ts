import { nearestOf } from '../../base/nearest.ts';
import type { TriggerSource } from '../../model/trigger.ts';
import { type ApiClient, createApiClient, segment } from '../api-client.ts';
import type { TriggerItem } from '../api-views.ts';
import { quoted, usage } from '../arguments.ts';
import { type Arguments, type Command, JSON_OPTION, SERVER_OPTIONS } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { listAll } from '../list-all.ts';
import { createStyle, formatTime, printJson, renderTable, visible } from '../output.ts';
import type { Terminal } from '../terminal.ts';

const LISTS = ['list', 'show'];
const ACTS = { pause: 'is paused; its events wait', resume: 'delivers again', run: 'runs now' } as const;

export const triggersCommand: Command = {
  name: 'triggers',
  summary: 'List triggers; pause, resume or run one',
  positionals: [
    { name: 'list|show|pause|resume|run', required: false },
    { name: 'NAME', required: false },
  ],
  options: { ...SERVER_OPTIONS, ...JSON_OPTION },
  details: `NAME is app/trigger, or the trigger where only one app has it. OWED is what waits or is under way. \`show\` tells all of
one trigger, and what it has in its database. \`run\` is for schedules: it makes one due now, besides its instants.`,
  examples: [
    ['lambent triggers', 'what runs functions, and how far each is'],
    [
      'lambent triggers show shop/bill-postgres',
      'with what it has made in its database, and how to drop that',
    ],
    ['lambent triggers pause shop/bill-events', 'deliver nothing more; events wait'],
    ['lambent triggers run nightly', 'do not wait for the night'],
  ],
  run: triggers,
};

async function triggers(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const [act = 'list', name] = args.positionals;
  const client = createApiClient(args, terminal);
  const items = await listAll<TriggerItem>(client, '/triggers');
  if (act === 'list') {
    if (args.flag('json')) printJson(terminal.out, { items });
    else if (items.length === 0)
      terminal.out.write('There are no triggers. A function has them under `on:` in the manifest.\n');
    else terminal.out.write(table(items, terminal) + notes(items, terminal));
    return EXIT.ok;
  }
  if (act !== 'show' && act !== 'pause' && act !== 'resume' && act !== 'run') {
    const meant = nearestOf(act, [...LISTS, ...Object.keys(ACTS)]);
    const suggestion = meant === undefined ? '' : ` Did you mean ${meant}?`;
    throw usage(
      `\`lambent triggers\` cannot ${quoted(act)}`,
      `It can list, show, pause, resume and run.${suggestion}`,
    );
  }
  if (name === undefined)
    throw usage(
      `\`lambent triggers ${act}\` needs a name`,
      `As in \`lambent triggers ${act} shop/nightly\`.`,
    );
  const id = chooseTrigger(items, name);
  if (act === 'show') return show(items, id, args, terminal);
  await perform(client, act, id);
  if (args.flag('json')) printJson(terminal.out, { id });
  else terminal.out.write(`${id} ${ACTS[act]}.\n`);
  return EXIT.ok;
}

function show(items: readonly TriggerItem[], id: string, args: Arguments, terminal: Terminal): ExitCode {
  const item = items.find((each) => each.id === id);
  if (item === undefined) throw usage(`There is no trigger ${quoted(id)}`, '`lambent triggers` lists them.');
  if (args.flag('json')) printJson(terminal.out, item);
  else terminal.out.write(`${table([item], terminal)}${notes([item], terminal)}${planText(item, terminal)}`);
  return EXIT.ok;
}

/** What is too long for a line of the table. */
function notes(items: readonly TriggerItem[], terminal: Terminal): string {
  const style = createStyle(terminal.out, terminal.env);
  const lines = items.flatMap(({ id, trouble, plan, left = [] }) => [
    ...(typeof trouble === 'string'
      ? [`${style.bold(id)} ${style.red('is in trouble')}: ${visible(trouble)}`]
      : []),
    ...(plan?.isMade === false
      ? [`${style.bold(id)} is about to make in ${visible(plan.place)}: ${statementsText(plan.make)}`]
      : []),
    ...[...(plan?.left ?? []), ...left].map(
      ({ place, drop }) =>
        `${style.bold(id)} ${style.red('has left something behind')} in ${visible(place)}; drop it there by: ${statementsText(drop)}`,
    ),
  ]);
  return lines.map((line) => `\n${line}\n`).join('');
}

function planText({ plan }: TriggerItem, terminal: Terminal): string {
  if (plan?.isMade !== true || plan.make.length === 0) return '';
  const style = createStyle(terminal.out, terminal.env);
  const lines = (statements: readonly string[]): string =>
    statements.map((statement) => `  ${visible(statement)};\n`).join('');
  return `\nIn ${style.bold(visible(plan.place))} it has made:\n${lines(plan.make)}It drops that when it is deployed no more, by:\n${lines(plan.drop)}`;
}

function statementsText(statements: readonly string[]): string {
  return statements.map((statement) => `${visible(statement)};`).join(' ');
}

async function perform(client: ApiClient, act: keyof typeof ACTS, id: string): Promise<void> {
  const [app = '', trigger = ''] = id.split('/');
  await client.send({ method: 'POST', path: `/apps/${segment(app)}/triggers/${segment(trigger)}/${act}` });
}

/** `app/trigger`, or the trigger alone where that says which. */
function chooseTrigger(items: readonly TriggerItem[], name: string): string {
  if (name.includes('/')) return name;
  const found = items.map(({ id }) => id).filter((id) => id.endsWith(`/${name}`));
  if (found.length === 1) return found[0]!;
  if (found.length > 1)
    throw usage(`Several apps have a trigger ${quoted(name)}`, `Name one: ${found.join(', ')}.`);
  const meant = nearestOf(
    name,
    items.map(({ id }) => id.split('/')[1]!),
  );
  throw usage(
    `There is no trigger ${quoted(name)}`,
    meant === undefined ? '`lambent triggers` lists them.' : `Did you mean ${meant}?`,
  );
}

function table(items: readonly TriggerItem[], terminal: Terminal): string {
  const columns = [
    { title: 'TRIGGER' },
    { title: 'FUNCTION' },
    { title: 'SOURCE' },
    { title: 'STATE' },
    { title: 'OWED', align: 'right' },
    { title: 'DELIVERED', align: 'right' },
    { title: 'DEAD', align: 'right' },
    { title: 'LAG', align: 'right' },
    { title: 'NEXT' },
  ] as const;
  const rows = items.map((item) => [
    item.id,
    item.function ?? '',
    item.source === null ? '' : sourceText(item.source),
    stateOf(item),
    String(item.owed),
    String(item.delivered),
    String(item.dead),
    lagOf(item),
    item.nextMs === undefined || item.nextMs === null ? '' : formatTime(item.nextMs),
  ]);
  return renderTable(columns, rows, createStyle(terminal.out, terminal.env));
}

function lagOf({ lagBytes, lagMessages }: TriggerItem): string {
  if (typeof lagBytes === 'number') return `${lagBytes} B`;
  return typeof lagMessages === 'number' ? String(lagMessages) : '';
}

function stateOf({ source, paused, trouble }: TriggerItem): string {
  if (source === null) return 'not deployed';
  if (paused) return 'paused';
  return trouble === undefined || trouble === null ? 'active' : 'trouble';
}

function sourceText(source: TriggerSource): string {
  switch (source.kind) {
    case 'events':
      return 'events';
    case 'postgres':
      return `postgres ${source.schema}.${source.table}: ${source.actions.join(', ')}`;
    case 'mysql':
      return `mysql ${[source.schema, source.table].filter(Boolean).join('.')}: ${source.actions.join(', ')}`;
    case 'sqlite':
      return `sqlite ${source.table}: ${source.actions.join(', ')}`;
    case 'webhook':
      return `webhook, ${source.verify.kind}`;
    case 'files':
      return `files ${source.folder}: ${source.actions.join(', ')}`;
    case 'redis':
      return `redis ${source.stream}`;
    case 'rabbitmq':
      return `rabbitmq ${source.queue}`;
    case 'nats':
      return `nats ${source.stream ?? source.subject}`;
    case 'mqtt':
    case 'kafka':
      return `${source.kind} ${source.topic}`;
    case 'sqs':
      return `sqs ${source.queue}`;
    case 'destination':
      return 'outcomes of triggers';
    case 'schedule':
      switch (source.when.kind) {
        case 'cron':
          return `${source.when.expression} ${source.timeZone}`;
        case 'rate':
          return `every ${source.when.everyMs / 1_000} s`;
        case 'at':
          return `at ${source.when.time} ${source.timeZone}`;
      }
  }
}
