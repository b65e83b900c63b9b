import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { type AppDomain, parseAppDomain } from '../model/app-hosts.ts';
import { parseMemoryMb } from '../model/manifest-units.ts';
import { NETWORK_ENTRY_EXPECTED, parseNetworkEntry } from '../model/network-policy.ts';
import { ISOLATION_REQUIRED, type SandboxDescription } from '../ports/sandbox.ts';
import type { PlatformOptions } from '../server/main.ts';
import { parseWholeNumber, quoted, usage } from './arguments.ts';
import type { Arguments } from './command.ts';
import type { Style } from './output.ts';
import { parseAge } from './parse-age.ts';
import type { Terminal } from './terminal.ts';

export const DEFAULT_PORT = 5262;
const PORT_MAX = 65_535;
const HTTPS_PORT = 443;
/** Loopback: reachable from this machine alone, until someone says otherwise. */
const DEFAULT_HOST = '127.0.0.1';

/** For the person who pressed Ctrl-C and now waits. */
export const STOPPING = '\nStopping: open requests may finish. Ctrl-C again stops at once.\n';

/** How well functions are contained, in one line; where they are not, so that it is seen. */
export function isolationLine({ level, summary, advice }: SandboxDescription, style: Style): string {
  const isGood = level <= ISOLATION_REQUIRED;
  const text = `level ${level}: ${summary}${isGood || advice === undefined ? '' : `. ${advice}`}`;
  return `${style.dim('Sandbox')}  ${isGood ? text : style.yellow(text)}\n`;
}

/** What `dev` and `start` take from the command line and the environment in the same way. */
export function listenOptions(
  args: Arguments,
  terminal: Terminal,
  defaultDataDir: string,
): Pick<
  PlatformOptions,
  | ('host' | 'port' | 'dataDir' | 'domain' | 'isolation')
  | ('allowNetwork' | 'allowBuildHosts' | 'allowFolders' | 'eventsKept')
> {
  const fromEnv = terminal.env.LAMBENT_PORT;
  const port =
    args.wholeNumber('port', 0, PORT_MAX) ??
    (fromEnv ? parseWholeNumber('LAMBENT_PORT', fromEnv, 0, PORT_MAX) : DEFAULT_PORT);
  return {
    port,
    host: args.text('host') ?? (terminal.env.LAMBENT_HOST || DEFAULT_HOST),
    dataDir: resolve(terminal.cwd, args.text('data') ?? defaultDataDir),
    domain: readDomain(args.text('domain') ?? terminal.env.LAMBENT_DOMAIN),
    allowNetwork: args.list('allow-network').map(checkNetworkEntry),
    allowBuildHosts: args.list('allow-build-host').map(buildHost),
    allowFolders: args.list('allow-folder').map((folder) => realFolder(resolve(terminal.cwd, folder))),
    eventsKept: readEventsKept(args, terminal),
    isolation: isolationChoice(args.text('isolation') ?? (terminal.env.LAMBENT_ISOLATION || 'best')),
  };
}

function readEventsKept(args: Arguments, { env }: Terminal): PlatformOptions['eventsKept'] {
  const given = (option: string): string | undefined =>
    args.text(option) ?? (env[`LAMBENT_${option.toUpperCase().replaceAll('-', '_')}`] || undefined);
  const size = given('keep-events-size');
  const megabytes = size === undefined ? undefined : parseMemoryMb(size);
  if (size !== undefined && megabytes === undefined)
    throw usage(`--keep-events-size cannot be ${quoted(size)}`, 'Write it like 500mb or 4gb.');
  return {
    ageMs: parseAge('keep-events', given('keep-events')),
    bytes: megabytes === undefined ? undefined : megabytes * 1_024 * 1_024,
    deadAgeMs: parseAge('keep-dead-letters', given('keep-dead-letters')),
  };
}

function readDomain(text: string | undefined): AppDomain | undefined {
  if (text === undefined || text === '') return undefined;
  const domain = parseAppDomain(text);
  if (domain !== undefined) return domain;
  throw usage(
    `${quoted(text)} is not a domain`,
    'Write it like apps.example.com, or like https://apps.example.com where a proxy serves it with TLS.',
  );
}

function realFolder(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    throw usage(`${quoted(folder)} is not there`, '--allow-folder names a folder that triggers may watch.');
  }
}

function checkNetworkEntry(text: string): string {
  if (parseNetworkEntry(text) !== undefined) return text;
  throw usage(`${quoted(text)} is nothing to allow`, `It is ${NETWORK_ENTRY_EXPECTED}.`);
}

/** `host:port`, without a port that of HTTPS. */
function buildHost(text: string): string {
  const entry = parseNetworkEntry(text);
  const port = entry?.kind === 'internet' ? undefined : (entry?.port ?? HTTPS_PORT);
  if (entry?.kind === 'name' && !entry.suffix) return `${entry.host}:${port}`;
  if (entry?.kind === 'network' && entry.prefix === (entry.family === 'ipv4' ? 32 : 128))
    return `${entry.address}:${port}`;
  throw usage(
    `${quoted(text)} is no host`,
    'Write it like registry.internal, 10.0.0.5:8081 or [fd00::1]:443.',
  );
}

function isolationChoice(text: string): 'best' | 'process' {
  if (text === 'best' || text === 'process') return text;
  throw usage(`${quoted(text)} is not a driver`, 'It is best, or process for plain processes.');
}
