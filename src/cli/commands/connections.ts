import { nearestOf } from '../../base/nearest.ts';
import type { ConnectionReport, ConnectionView } from '../../ports/connections.ts';
import { type ApiClient, createApiClient, segment } from '../api-client.ts';
import { quoted, usage } from '../arguments.ts';
import { type Arguments, type Command, JSON_OPTION, SERVER_OPTIONS } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { listAll } from '../list-all.ts';
import { createStyle, printJson, renderTable, type Style, visible } from '../output.ts';
import { withProgress } from '../progress.ts';
import type { Terminal } from '../terminal.ts';

const ACTS = ['list', 'test'] as const;

export const connectionsCommand: Command = {
  name: 'connections',
  summary: 'List the outside services that apps name; try whether they can be used',
  positionals: [
    { name: 'list|test', required: false },
    { name: 'NAME', required: false },
  ],
  options: { ...SERVER_OPTIONS, ...JSON_OPTION },
  details: `NAME is app/connection, or the connection where only one app has it; without it \`test\` tries all. The server tries
it: secrets, name, port, TLS, login, and what the triggers need; it changes nothing. What fails is shown with the
statement that mends it, and the exit code is 1.`,
  examples: [
    ['lambent connections', 'what there is, and which triggers read from it'],
    ['lambent connections test orders-db', 'why does the trigger not work?'],
    ['lambent connections test --json', 'all of them, for a script'],
  ],
  run: connections,
};

async function connections(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const [act = 'list', name] = args.positionals;
  if (act !== 'list' && act !== 'test') {
    const meant = nearestOf(act, ACTS);
    const suggestion = meant === undefined ? '' : ` Did you mean ${meant}?`;
    throw usage(`\`lambent connections\` cannot ${quoted(act)}`, `It can list and test.${suggestion}`);
  }
  const client = createApiClient(args, terminal);
  const items = await listAll<ConnectionView>(client, '/connections');
  if (act === 'test') return test(name === undefined ? items : [choose(items, name)], client, args, terminal);
  if (args.flag('json')) printJson(terminal.out, { items });
  else if (items.length === 0)
    terminal.out.write('There are no connections. A manifest has them under `connections:`.\n');
  else terminal.out.write(table(items, createStyle(terminal.out, terminal.env)));
  return EXIT.ok;
}

async function test(
  items: readonly ConnectionView[],
  client: ApiClient,
  args: Arguments,
  terminal: Terminal,
): Promise<ExitCode> {
  const style = createStyle(terminal.out, terminal.env);
  const reports: ConnectionReport[] = [];
  for (const { app, name } of items) {
    const path = `/apps/${segment(app)}/connections/${segment(name)}/test`;
    const report = await withProgress(terminal, `Trying ${app}/${name}`, () =>
      client.send<ConnectionReport>({ method: 'POST', path, patient: true }),
    );
    reports.push(report);
    if (!args.flag('json')) terminal.out.write(reportText(report, style));
  }
  if (args.flag('json')) printJson(terminal.out, { items: reports });
  else if (reports.length === 0) terminal.out.write('There are no connections to try.\n');
  return reports.every(({ ok }) => ok) ? EXIT.ok : EXIT.failed;
}

function reportText({ app, name, kind, checks }: ConnectionReport, style: Style): string {
  const lines = checks.map((check) => {
    const mark = check.ok ? style.green('ok  ') : style.red('FAIL');
    const fix = check.ok || check.fix === undefined ? '' : `        ${style.dim(visible(check.fix))}\n`;
    return `  ${mark}  ${visible(check.name)}: ${visible(check.text)}\n${fix}`;
  });
  return `${style.bold(`${app}/${name}`)} (${kind})\n${lines.join('')}`;
}

/** `app/connection`, or the connection alone where that says which. */
function choose(items: readonly ConnectionView[], given: string): ConnectionView {
  const found = items.filter(({ app, name }) => given === `${app}/${name}` || given === name);
  if (found.length === 1) return found[0]!;
  const all = items.map(({ app, name }) => `${app}/${name}`);
  if (found.length > 1)
    throw usage(
      `Several apps have a connection ${quoted(given)}`,
      `Name one: ${found.map(({ app, name }) => `${app}/${name}`).join(', ')}.`,
    );
  const meant = nearestOf(given, [...all, ...items.map(({ name }) => name)]);
  throw usage(
    `There is no connection ${quoted(given)}`,
    meant === undefined ? '`lambent connections` lists them.' : `Did you mean ${meant}?`,
  );
}

function table(items: readonly ConnectionView[], style: Style): string {
  const columns = ['CONNECTION', 'KIND', 'PLACE', 'SECRETS', 'READ BY', 'SENT TO BY'].map((title) => ({
    title,
  }));
  const rows = items.map(({ app, name, kind, place, secrets, triggers, functions }) => [
    `${app}/${name}`,
    kind,
    place,
    secrets.join(', '),
    triggers.join(', '),
    functions.join(', '),
  ]);
  return renderTable(columns, rows, style);
}
