import { createApiClient } from '../api-client.ts';
import type { AppView, FunctionView } from '../api-views.ts';
import { type Arguments, type Command, JSON_OPTION, SERVER_OPTIONS } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { listAll } from '../list-all.ts';
import { chooseApp, formatTraffic } from '../name-choice.ts';
import { createStyle, formatDuration, printJson, renderTable, type Style } from '../output.ts';
import type { Terminal } from '../terminal.ts';

export const lsCommand: Command = {
  name: 'ls',
  summary: 'List apps, their functions and their routes',
  positionals: [{ name: 'app', required: false }],
  options: { ...SERVER_OPTIONS, ...JSON_OPTION },
  examples: [
    ['lambent ls', 'everything that is live'],
    ['lambent ls shop', 'the functions of one app'],
    ["lambent ls --json | jq -r '.functions[].name'", 'for a script'],
  ],
  run: list,
};

async function list(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const client = createApiClient(args, terminal);
  const named = args.positionals[0];
  const apps =
    named === undefined ? await listAll<AppView>(client, '/apps') : [await chooseApp(client, named)];
  const functions = await listAll<FunctionView>(client, '/functions', { app: named });
  if (args.flag('json')) {
    printJson(terminal.out, { apps, functions });
    return EXIT.ok;
  }
  const style = createStyle(terminal.out, terminal.env);
  if (apps.length === 0)
    terminal.out.write('Nothing is deployed yet. `lambent deploy FOLDER` deploys an app.\n');
  for (const [index, app] of apps.entries()) {
    if (index > 0) terminal.out.write('\n');
    terminal.out.write(`${style.bold(app.app)}  ${style.dim(formatTraffic(app.traffic))}\n`);
    terminal.out.write(functionTable(app, functions, style));
  }
  return EXIT.ok;
}

const COLUMNS = [
  { title: 'FUNCTION' },
  { title: 'RUNTIME' },
  { title: 'MEMORY', align: 'right' },
  { title: 'TIMEOUT', align: 'right' },
  { title: 'INSTANCES', align: 'right' },
  { title: 'AT ONCE', align: 'right' },
  { title: 'ROUTES' },
] as const;

function functionTable(app: AppView, functions: readonly FunctionView[], style: Style): string {
  const own = functions.filter((item) => item.app === app.app);
  if (own.length === 0) return '';
  if (app.traffic.length < 2) return renderTable(COLUMNS, own.map(functionRow), style);
  // Two deployments serve side by side, each with functions of its own.
  const rows = own
    .sort((left, right) => left.name.localeCompare(right.name) || left.deployment - right.deployment)
    .map((item) => [`d${item.deployment}`, ...functionRow(item)]);
  return renderTable([{ title: 'OF' }, ...COLUMNS], rows, style);
}

function functionRow(item: FunctionView): string[] {
  const routes = item.routes.map((route) => `${route.method} ${route.host ?? ''}${route.path}`);
  return [
    item.name,
    item.config.workflow ? `${item.runtime}, workflow` : item.runtime,
    `${item.config.memoryMb} MB`,
    formatDuration(item.config.timeoutMs),
    item.kept.instances === 0 ? String(item.instances) : `${item.instances}, ${item.kept.instances} kept`,
    item.concurrency === undefined ? '' : String(item.concurrency.calls),
    routes.join(', ') || 'none',
  ];
}
