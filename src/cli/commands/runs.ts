import { createApiClient } from '../api-client.ts';
import type { Items } from '../api-views.ts';
import { type Arguments, type Command, JSON_OPTION, SERVER_OPTIONS } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { createStyle, formatTime, printJson, renderTable } from '../output.ts';
import type { ExecutionView } from '../run-tree.ts';
import type { Terminal } from '../terminal.ts';

const LIMIT_DEFAULT = 50;

export const runsCommand: Command = {
  name: 'runs',
  summary: 'List executions of workflows, newest first',
  positionals: [],
  options: {
    app: { kind: 'text', value: 'APP', text: 'only those of this app' },
    workflow: { kind: 'text', value: 'NAME', text: 'only those of this workflow (with --app)' },
    status: { kind: 'text', value: 'STATUS', text: 'running, waiting, succeeded, failed, cancelled …' },
    limit: { kind: 'text', value: 'N', text: `at most N (${LIMIT_DEFAULT})` },
    ...SERVER_OPTIONS,
    ...JSON_OPTION,
  },
  details: '`lambent run show ID` shows one of them with all that it did.',
  examples: [['lambent runs --status failed', 'what went wrong lately']],
  run: runs,
};

async function runs(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const client = createApiClient(args, terminal);
  const { items } = await client.send<Items<ExecutionView>>({
    method: 'GET',
    path: '/executions',
    query: {
      app: args.text('app'),
      workflow: args.text('workflow'),
      status: args.text('status'),
      limit: args.wholeNumber('limit', 1, 1_000) ?? LIMIT_DEFAULT,
    },
  });
  if (args.flag('json')) printJson(terminal.out, { items });
  else if (items.length === 0) terminal.err.write('No executions.\n');
  else
    terminal.out.write(
      renderTable(
        ['ID', 'WORKFLOW', 'STATUS', 'STARTED'].map((title) => ({ title })),
        items.map((each) => [
          each.id,
          `${each.app}/${each.workflow}`,
          each.status,
          formatTime(each.createdMs),
        ]),
        createStyle(terminal.out, terminal.env),
      ),
    );
  return EXIT.ok;
}
