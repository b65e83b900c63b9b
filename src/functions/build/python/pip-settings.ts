import { existsSync } from 'node:fs';
import type { Clock } from '../../../base/clock.ts';
import { withoutCredentials } from '../host-settings.ts';
import { runTool } from '../run-tool.ts';
import type { Python } from './find-python.ts';

/** Settings of pip that say where packages come from and how to reach them. */
const KEPT = new Set([
  ...['index-url', 'extra-index-url', 'find-links', 'no-index', 'trusted-host', 'cert'],
  ...['default-timeout', 'timeout', 'retries'],
]);
const DEFAULT_INDEX = `try:
  from pip._internal.models.index import PyPI as index
  print(index.url, "https://" + index.file_storage_domain)
except (ImportError, AttributeError):
  print("")`;
const ASK_MS_MAX = 30_000;
const ANSWER_CHARS_MAX = 256 * 1024;

export interface PipSettings {
  readonly env: Readonly<Record<string, string>>;
  readonly registries: readonly string[];
  /** Files and folders that they name. */
  readonly paths: readonly string[];
}

/**
 * What pip is told by the machine's configuration, its files and its environment, as variables. `secrets`: with
 * credentials that stand in addresses.
 */
export async function pipSettings(
  python: Python,
  clock: Clock,
  { secrets }: { readonly secrets: boolean },
): Promise<PipSettings> {
  const ask = (args: readonly string[]): Promise<string> => askPip(python, clock, args);
  const text = await ask(['-m', 'pip', 'config', 'list', '--disable-pip-version-check']);
  const settings = readSettings(text, secrets);
  // The index that pip asks where none is configured. Some networks answer by its name themselves.
  const usual = (await ask(['-c', DEFAULT_INDEX])).trim().split(' ');
  return { ...settings, registries: [...settings.registries, ...usual] };
}

function askPip(python: Python, clock: Clock, args: readonly string[]): Promise<string> {
  return runTool({
    command: [python.program, '-I', ...args],
    cwd: '/',
    envPassed: /^(PIP_.*|XDG_CONFIG_HOME|XDG_CONFIG_DIRS)$/,
    clock,
    msMax: ASK_MS_MAX,
    onLine: () => {},
    collectChars: ANSWER_CHARS_MAX,
    signal: undefined,
    failure: {
      code: 'E_DEPENDENCIES_FAILED',
      title: 'pip config list',
      hint: 'Correct the configuration of pip on this machine.',
    },
  });
}

/** The sections of `pip config list`, the strongest last. */
const SECTIONS = ['global', 'install', ':env:'];

/** Lines such as `global.index-url='https://pypi.example/simple'`. */
export function readSettings(text: string, secrets: boolean): PipSettings {
  const env: Record<string, string> = {};
  for (const section of SECTIONS)
    for (const line of text.split('\n')) {
      const [, key, quoted] = /^([^=]+)=['"](.*)['"]$/.exec(line) ?? [];
      if (key === undefined || quoted === undefined || !key.startsWith(`${section}.`)) continue;
      const name = key.slice(section.length + 1);
      if (!KEPT.has(name)) continue;
      const value = quoted.replaceAll('\\n', ' ').trim();
      env[`PIP_${name.toUpperCase().replaceAll('-', '_')}`] = secrets ? value : withoutCredentials(value);
    }
  const words = Object.values(env).flatMap((value) => value.split(/\s+/));
  return {
    env,
    registries: words.filter((word) => /^https?:\/\//.test(word)),
    paths: words.filter((word) => word.startsWith('/') && existsSync(word)),
  };
}
