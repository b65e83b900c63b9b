import type { LiveApp } from '../../model/deployment.ts';
import { createApiClient, segment } from '../api-client.ts';
import { quoted, usage } from '../arguments.ts';
import { type Arguments, type Command, JSON_OPTION, SERVER_OPTIONS } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { chooseApp, formatTraffic, parseDeploymentNumber } from '../name-choice.ts';
import { printJson } from '../output.ts';
import type { Terminal } from '../terminal.ts';

export const rollbackCommand: Command = {
  name: 'rollback',
  summary: 'Make an older deployment live again, at once',
  positionals: [{ name: 'app', required: false }],
  options: {
    to: { kind: 'text', value: 'N', text: 'the deployment (else the one before the present)' },
    server: { ...SERVER_OPTIONS.to! },
    token: SERVER_OPTIONS.token!,
    ...JSON_OPTION,
  },
  details: `Requests that are being answered finish on the version they started on.
The app may be left out where there is only one. Note that --to is the deployment here; the server is --server.`,
  examples: [
    ['lambent rollback', 'back to the deployment before the present'],
    ['lambent rollback shop --to 12', 'to a certain one'],
    ['lambent rollback shop --server http://box:5262', 'on another server'],
  ],
  run: rollback,
};

async function rollback(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const target = args.text('to');
  if (target?.includes('://')) {
    throw usage(
      `--to cannot be ${quoted(target)}`,
      'With rollback, --to is the number of a deployment; name the server with --server.',
    );
  }
  const to = target === undefined ? undefined : parseDeploymentNumber('--to', target);
  // `--to` is no address here, so the client must not take it for one.
  const client = createApiClient(
    { ...args, text: (name) => (name === 'to' ? undefined : args.text(name)) },
    terminal,
  );
  const { app } = await chooseApp(client, args.positionals[0]);
  const live = await client.send<LiveApp>({
    method: 'POST',
    path: `/apps/${segment(app)}/rollback`,
    json: to === undefined ? {} : { to },
  });
  if (args.flag('json')) printJson(terminal.out, live);
  else terminal.out.write(`${app} serves ${formatTraffic(live.traffic)} again.\n`);
  return EXIT.ok;
}
