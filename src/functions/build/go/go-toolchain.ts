import { execFile } from 'node:child_process';
import { accessSync, constants, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Clock } from '../../../base/clock.ts';
import { type ErrorCode, LambentError } from '../../../base/errors.ts';
import type { LanguageFinding } from '../language-finding.ts';
import type { BuildBench } from '../build-bench.ts';
import type { Containing } from '../tool-run.ts';
import { findProgram, runTool } from '../run-tool.ts';

/** The oldest Go that the module in sdk/go can be compiled with. */
const GO_MINOR_MIN = 22;
/** A question to the go command; it may fetch a toolchain to answer. */
const ASK_MS_MAX = 120_000;
const LOOK_MS_MAX = 10_000;
const ANSWER_CHARS_MAX = 16 * 1024 * 1024;
/** Where Go's own installer puts it, on the PATH or not. */
const USUAL_PLACES = ['/usr/local/go/bin/go', '/opt/homebrew/bin/go', '/usr/lib/go/bin/go'];
/** A person's settings of Go: where modules come from, and its caches. GOFLAGS is not among them: it changes results. */
const GO_SETTINGS =
  /^(GOPROXY|GOPRIVATE|GONOPROXY|GONOSUMDB|GONOSUMCHECK|GOSUMDB|GOAUTH|GOVCS|GOINSECURE|GOENV|GOCACHE|GOMODCACHE|GOPATH|GOROOT|GOTOOLCHAIN|GIT_SSH_COMMAND|SSH_AUTH_SOCK|XDG_CACHE_HOME|XDG_CONFIG_HOME)$/;

/** Where builds happen, and what they run with. */
export interface GoPlace {
  /** Absolute path of the module's folder. */
  readonly folder: string;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
  /** True for uploads: a go.work above or beside the module is not looked at. */
  readonly confined: boolean;
  readonly onLine: (text: string) => void;
  readonly bench: BuildBench | undefined;
  /** Where the go command is contained, if it is, and what it sees there beside itself. */
  readonly containing: Containing | undefined;
}

/** What one run of the go command writes beside its caches, and the longest time that it may take. */
export interface GoRun {
  readonly msMax?: number;
  readonly writeDirs?: readonly string[];
}

interface GoSettings {
  /** What the machine's configuration of Go says, where the go command cannot see it. */
  readonly host: Readonly<Record<string, string>>;
  /** Holds Go's caches where the person has no place of its own for them. */
  readonly cacheDir: string;
  /** Where modules come from, if not from where the person's own settings say. */
  readonly proxy: string | undefined;
}

/** The go command of this machine, and one of its toolchains. */
export class GoToolchain {
  readonly program: string;
  /** Exact, as `1.26.8`. */
  readonly version: string;
  readonly #selected: string | undefined;
  readonly #settings: GoSettings;

  constructor(program: string, version: string, selected: string | undefined, settings: GoSettings) {
    this.program = program;
    this.version = version;
    this.#selected = selected;
    this.#settings = settings;
  }

  /** Runs `go` with these arguments; resolves with what it prints. */
  run(
    place: GoPlace,
    args: readonly string[],
    failure: { readonly code: ErrorCode; readonly hint: string },
    more: GoRun = {},
  ): Promise<string> {
    return runGo(this.program, place, args, this.#selected, this.#settings, { ...failure, ...more });
  }
}

/** The program, wherever Go is usually installed. */
export function findGo(): string | undefined {
  return (
    findProgram('go') ??
    USUAL_PLACES.find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    })
  );
}

/** The one command that brings Go to this machine. */
export function installCommand(): string {
  if (process.platform === 'darwin') return 'brew install go';
  const machine = process.arch === 'x64' ? 'amd64' : process.arch;
  return `curl -fsSL https://go.dev/dl/go1.26.8.linux-${machine}.tar.gz | sudo tar -C /usr/local -xz`;
}

/** For `lambent doctor`. */
export async function lookForGo(): Promise<LanguageFinding> {
  const name = 'language go';
  const fix = installCommand();
  const program = findGo();
  if (program === undefined)
    return { name, status: 'warn', text: 'Go is not installed: functions in Go cannot be built here.', fix };
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, GOTOOLCHAIN: 'local' };
  const answer = await promisify(execFile)(program, ['env', 'GOVERSION'], {
    env,
    timeout: LOOK_MS_MAX,
  }).catch(() => undefined);
  const version = answer?.stdout.trim().replace(/^go/, '') ?? '';
  if (version === '') return { name, status: 'warn', text: `${program} does not run.`, fix };
  if (isOlder(version))
    return { name, status: 'warn', text: `Go ${version} is too old: functions need 1.${GO_MINOR_MIN}.`, fix };
  return { name, status: 'ok', text: `Go ${version}: ${program}.` };
}

/**
 * The toolchain for a module: the version that the manifest pins, or else what go.mod asks for. One that is not here
 * is fetched by Go itself. `cacheDir` holds Go's caches where the person has no place of its own for them.
 */
export async function selectToolchain(
  place: GoPlace,
  pinned: string | undefined,
  cacheDir: string,
): Promise<GoToolchain> {
  const program = findGo();
  if (program === undefined)
    throw new LambentError('E_TOOLCHAIN_MISSING', 'Go is not installed on this machine', {
      hint: `Install it: \`${installCommand()}\``,
    });
  const host = place.bench === undefined ? {} : await hostSettings(program, place);
  place.bench?.grant((host.GOPROXY ?? '').split(/[,|]/));
  // As `name`, `name+key` or `name+key url`.
  const [sums = '', sumsUrl = ''] = (host.GOSUMDB ?? '').split(' ');
  place.bench?.grant([sumsUrl, `https://${sums.split('+')[0]}`]);
  let settings: GoSettings = { cacheDir, proxy: undefined, host };
  const ask = async (
    args: readonly string[],
    selected: string | undefined,
    hint: string,
  ): Promise<string> => {
    const limits = { code: 'E_TOOLCHAIN_MISSING', hint } as const;
    return (await runGo(program, place, args, selected, settings, limits)).trim();
  };
  const facts = await ask(
    ['env', 'GOVERSION', 'GOPROXY'],
    'local',
    `Install Go again: \`${installCommand()}\``,
  );
  const [named = '', proxy = ''] = facts.split('\n');
  const present = named.replace(/^go/, '');
  if (place.confined) settings = { ...settings, proxy: proxiesOnly(proxy) };
  if (isOlder(present))
    throw new LambentError(
      'E_TOOLCHAIN_MISSING',
      `Go ${present} is too old: functions need 1.${GO_MINOR_MIN} or later`,
      { hint: `Install a newer one: \`${installCommand()}\`` },
    );
  if (pinned !== undefined) {
    const hint = 'Is it a version of Go? This machine must reach its module proxy to fetch another one.';
    const exact =
      present === pinned || present.startsWith(`${pinned}.`)
        ? present
        : pinned.split('.').length === 3
          ? pinned
          : await ask(['list', '-m', '-f', '{{.Version}}', `go@${pinned}`], 'local', hint);
    const selected = exact === present ? 'local' : `go${exact}`;
    const version = (await ask(['env', 'GOVERSION'], selected, hint)).replace(/^go/, '');
    return new GoToolchain(program, version, selected, settings);
  }
  const hint = 'go.mod asks for it; this machine must reach its module proxy to fetch it.';
  const version = (await ask(['env', 'GOVERSION'], undefined, hint)).replace(/^go/, '');
  return new GoToolchain(program, version, undefined, settings);
}

/** What of Go's settings counts in a sandbox too. */
const HOST_SETTINGS = [
  ...['GOPROXY', 'GOPRIVATE', 'GONOPROXY', 'GONOSUMDB', 'GOSUMDB', 'GOINSECURE', 'GOTOOLCHAIN'],
];
/** What it downloads can be removed by the platform, whoever it runs as. */
const CONTAINED = { GOENV: 'off', GOAUTH: 'off', GOFLAGS: '-modcacherw' };

async function hostSettings(
  program: string,
  { clock, signal }: GoPlace,
): Promise<Readonly<Record<string, string>>> {
  const text = await runTool({
    command: [program, 'env', '-json', ...HOST_SETTINGS],
    cwd: '/',
    envPassed: GO_SETTINGS,
    clock,
    msMax: LOOK_MS_MAX,
    onLine: () => {},
    collectChars: ANSWER_CHARS_MAX,
    signal,
    failure: {
      code: 'E_TOOLCHAIN_MISSING',
      title: 'go env',
      hint: `Install Go again: \`${installCommand()}\``,
    },
  });
  const settings = Object.entries(JSON.parse(text) as Record<string, string>);
  return Object.fromEntries(settings.filter(([, value]) => value !== ''));
}

/** Go's caches in the home of an app's tools. */
export function cachesIn(home: string): { readonly GOCACHE: string; readonly GOPATH: string } {
  return { GOCACHE: join(home, 'go-build'), GOPATH: join(home, 'go') };
}

/** The folder of a Go that is installed by itself: its library and its compilers lie beside the program. */
function goRootOf(program: string): string {
  const real = realpathSync(program);
  return basename(dirname(real)) === 'bin' ? dirname(dirname(real)) : real;
}

/**
 * A setting of GOPROXY without `direct`, by which an upload would make this machine ask any host that it names in
 * go.mod or an import. `off` when nothing is left.
 */
export function proxiesOnly(setting: string): string {
  // Each with the separator that says when the next one is asked.
  const proxies = setting.split(/(?<=[,|])/).filter((each) => !/^\s*direct\s*[,|]?$/.test(each));
  return proxies.join('').replace(/[,|]$/, '') || 'off';
}

/** Whether a version is older than what functions need. Unreleased ones have other names, and are taken. */
export function isOlder(version: string): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  return Number(major) < 1 || (Number(major) === 1 && Number(minor) < GO_MINOR_MIN);
}

function runGo(
  program: string,
  place: GoPlace,
  args: readonly string[],
  selected: string | undefined,
  { cacheDir, proxy, host }: GoSettings,
  failure: { readonly code: ErrorCode; readonly hint: string } & GoRun,
): Promise<string> {
  const { folder, clock, signal, confined, onLine, containing } = place;
  const { code, hint, msMax = ASK_MS_MAX, writeDirs = [] } = failure;
  const env: Record<string, string> = { ...host, CGO_ENABLED: '0', GOFLAGS: '' };
  if (selected !== undefined) env.GOTOOLCHAIN = selected;
  if (confined) env.GOWORK = 'off';
  if (proxy !== undefined) env.GOPROXY = proxy;
  if (containing !== undefined) Object.assign(env, CONTAINED, cachesIn(containing.place.home));
  // A service may have no home: then Go would refuse to work.
  else if (homedir() === '/' || process.env.HOME === undefined) {
    env.GOCACHE ??= process.env.GOCACHE ?? join(cacheDir, 'build');
    env.GOPATH ??= process.env.GOPATH ?? join(cacheDir, 'path');
  }
  return runTool({
    command: [program, ...args],
    cwd: folder,
    envPassed: GO_SETTINGS,
    containing: containing && {
      ...containing,
      readPaths: [goRootOf(program), ...containing.readPaths],
      writeDirs,
    },
    env,
    clock,
    msMax,
    onLine,
    collectChars: ANSWER_CHARS_MAX,
    signal,
    failure: { code, title: `go ${args[0]}`, hint },
  });
}
