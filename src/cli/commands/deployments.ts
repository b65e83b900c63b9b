import { createApiClient, segment } from '../api-client.ts';
import type { DeploymentView, Items } from '../api-views.ts';
import { type Arguments, type Command, JSON_OPTION, SERVER_OPTIONS } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { chooseApp } from '../name-choice.ts';
import { createStyle, formatTime, printJson, renderTable } from '../output.ts';
import type { Terminal } from '../terminal.ts';

const LIMIT_DEFAULT = 20;
const LIMIT_MAX = 1_000;

export const deploymentsCommand: Command = {
  name: 'deployments',
  summary: 'List the deployments of an app, newest first',
  positionals: [{ name: 'app', required: false }],
  options: {
    limit: { kind: 'text', value: 'N', text: `at most this many (${LIMIT_DEFAULT})` },
    ...SERVER_OPTIONS,
    ...JSON_OPTION,
  },
  details: 'The app may be left out where there is only one.',
  examples: [
    ['lambent deployments', 'of the only app'],
    ['lambent deployments shop --limit 5', 'the last five of one app'],
  ],
  run: listDeployments,
};

async function listDeployments(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const client = createApiClient(args, terminal);
  const limit = args.wholeNumber('limit', 1, LIMIT_MAX) ?? LIMIT_DEFAULT;
  const { app } = await chooseApp(client, args.positionals[0]);
  const answer = await client.send<Items<DeploymentView>>({
    method: 'GET',
    path: `/apps/${segment(app)}/deployments`,
    query: { limit },
  });
  if (args.flag('json')) {
    printJson(terminal.out, answer);
    return EXIT.ok;
  }
  const style = createStyle(terminal.out, terminal.env);
  const columns = [
    { title: 'DEPLOYMENT' },
    { title: 'TRAFFIC', align: 'right', paint: (text: string) => style.green(text) },
    { title: 'CREATED' },
    { title: 'BY' },
    { title: 'FUNCTIONS', align: 'right' },
    { title: 'NOTE' },
  ] as const;
  const rows = answer.items.map((item) => [
    `d${item.number}`,
    item.weight > 0 ? `${item.weight} %` : '',
    formatTime(item.createdMs),
    item.createdBy,
    String(item.functionCount),
    item.note,
  ]);
  terminal.out.write(`${style.bold(app)}\n${renderTable(columns, rows, style)}`);
  return EXIT.ok;
}
