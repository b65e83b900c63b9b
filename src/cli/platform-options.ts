import { resolve } from 'node:path';
import type { PlatformOptions } from '../server/main.ts';
import { parseWholeNumber } from './arguments.ts';
import type { Arguments } from './command.ts';
import type { Terminal } from './terminal.ts';

export const DEFAULT_PORT = 5262;
const PORT_MAX = 65_535;
/** Loopback: reachable from this machine alone, until someone says otherwise. */
const DEFAULT_HOST = '127.0.0.1';

/** For the person who pressed Ctrl-C and now waits. */
export const STOPPING = '\nStopping: open requests may finish. Ctrl-C again stops at once.\n';

/** What `dev` and `start` take from the command line and the environment in the same way. */
export function listenOptions(
  args: Arguments,
  terminal: Terminal,
  defaultDataDir: string,
): Pick<PlatformOptions, 'host' | 'port' | 'dataDir' | 'allowHosts'> {
  const fromEnv = terminal.env.LAMBENT_PORT;
  const port =
    args.wholeNumber('port', 0, PORT_MAX) ??
    (fromEnv ? parseWholeNumber('LAMBENT_PORT', fromEnv, 0, PORT_MAX) : DEFAULT_PORT);
  return {
    port,
    host: args.text('host') ?? (terminal.env.LAMBENT_HOST || DEFAULT_HOST),
    dataDir: resolve(terminal.cwd, args.text('data') ?? defaultDataDir),
    allowHosts: [...args.list('allow-host')],
  };
}
