import { join, resolve } from 'node:path';
import { LambentError } from '../../base/errors.ts';
import { ISOLATION_LEVELS, ISOLATION_REQUIRED, type IsolationLevel } from '../../ports/sandbox.ts';
import type { Platform } from '../../server/main.ts';
import { PLATFORM_VERSION } from '../../server/platform-version.ts';
import { checkFolder } from '../app-folder.ts';
import { type Arguments, type Command, LISTEN_OPTIONS } from '../command.ts';
import { createEventPrinter } from '../event-printer.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { createStyle } from '../output.ts';
import { isolationLine, listenOptions, STOPPING } from '../platform-options.ts';
import { type Terminal, whenAborted } from '../terminal.ts';

export const startCommand: Command = {
  name: 'start',
  summary: 'Run the platform as a server that apps are deployed to',
  positionals: [{ name: 'folder', required: false, repeats: true }],
  options: {
    ...LISTEN_OPTIONS,
    'accept-isolation': {
      kind: 'text',
      value: 'LEVEL',
      text: 'the weakest isolation to start with, A to E (else $LAMBENT_ACCEPT_ISOLATION, else B)',
    },
    log: { kind: 'text', value: 'FORM', text: 'pretty, or json: one JSON object a line (pretty)' },
  },
  details: `Serves what was deployed before, and deploys the given folders first. The control API needs a token: one is
printed on the very first start, and never again (\`lambent tokens create\` makes more).
Its data is in ~/.lambent, or $LAMBENT_DATA. It listens on 127.0.0.1; --host 0.0.0.0 opens it to the network. With
--domain apps.example.com each app answers at APP.apps.example.com, and previews have addresses there; point the
name *.apps.example.com at this machine. SIGTERM finishes open requests and stops.`,
  examples: [
    ['lambent start', 'on http://localhost:5262'],
    ['lambent start shop blog --port 8080', 'with two apps'],
    ['lambent start --host 0.0.0.0 --domain apps.example.com --log json', 'for others, under a supervisor'],
  ],
  run: start,
};

async function start(args: Arguments, terminal: Terminal): Promise<ExitCode> {
  const log = args.choice('log', ['pretty', 'json'] as const) ?? 'pretty';
  const options = listenOptions(args, terminal, terminal.env.LAMBENT_DATA || join(terminal.home, '.lambent'));
  const folders = args.positionals.map((folder) => resolve(terminal.cwd, folder));
  for (const folder of folders) await checkFolder(folder);
  const style = createStyle(terminal.out, terminal.env);
  const print = createEventPrinter(terminal, 'start');
  if (log === 'pretty') {
    terminal.out.write(`${style.bold(`Lambent ${PLATFORM_VERSION}`)} ${style.dim('start')}\n\n`);
  }
  const stop = terminal.catchInterrupts();
  // Loaded here, so that the other commands start without the platform.
  const { startPlatform } = await import('../../server/main.ts');
  const platform = await startPlatform({
    ...options,
    mode: 'start',
    ownsProcess: true,
    // Whoever may call the control API is told by the token, not by the host.
    allowHosts: [],
    acceptIsolation: acceptedIsolation(args, terminal),
    folders,
    log,
    stop,
    buildConsole: true,
    onEvent: (event) => {
      // With --log json stdout belongs to the log; what failed must be seen all the same.
      if (log === 'pretty' || event.kind === 'deployFailed') print(event);
    },
  });
  if (log === 'pretty') terminal.out.write(welcome(platform, options.dataDir, terminal));
  if (platform.token !== undefined) terminal.err.write(tokenText(platform.token, platform.url));
  const failure = await Promise.race([whenAborted(stop), platform.closed]);
  if (failure !== undefined) throw failure;
  if (log === 'pretty') terminal.err.write(STOPPING);
  await platform.close();
  return EXIT.ok;
}

function acceptedIsolation(args: Arguments, terminal: Terminal): IsolationLevel {
  const text = args.text('accept-isolation') ?? (terminal.env.LAMBENT_ACCEPT_ISOLATION || ISOLATION_REQUIRED);
  const level = ISOLATION_LEVELS.find((each) => each === text.toUpperCase());
  if (level !== undefined) return level;
  throw new LambentError('E_USAGE', `--accept-isolation takes a level from A to E, not ${text}`);
}

function welcome(platform: Platform, dataDir: string, terminal: Terminal): string {
  const style = createStyle(terminal.out, terminal.env);
  return `${style.dim('Server ')}  ${style.cyan(platform.url)}
${style.dim('Console')}  ${style.cyan(`${platform.url}/_lambent/`)}
${style.dim('Data   ')}  ${dataDir}
${isolationLine(platform.isolation, style)}
`;
}

/** Not on stdout: that may be a log that others read. */
function tokenText(token: string, url: string): string {
  return `
The token of the control API. Keep it now: only its hash is stored, and it is not shown again.

  ${token}

Use it with --token or LAMBENT_TOKEN, for example:

  export LAMBENT_TOKEN=${token}
  lambent deploy my-app --to ${url}

`;
}
