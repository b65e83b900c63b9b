import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { AppName } from '../../model/function.ts';
import type { BuildSandbox } from '../../ports/build-sandbox.ts';
import { TOOL_LIMITS } from './contained-tool.ts';
import type { Containing, ToolLimits, ToolPlace } from './tool-run.ts';
import { usageOf } from './disk-watch.ts';
import { dropLeastUsed } from './drop-least-used.ts';
import {
  certificateSettings,
  npmSettings,
  placesOf,
  programFolders,
  upstreamProxy,
} from './host-settings.ts';

/** Apps' homes that are kept, two each; the least recently used go. */
const HOMES_KEPT = 100;
/** A home that has become larger than this is begun anew. */
const HOME_KB_MAX = 2 * 2 ** 20;

export interface BenchOptions {
  readonly sandbox: BuildSandbox;
  /** The folder of all builds: nothing of the platform's beside it is ever shown. */
  readonly scratchDir: string;
  readonly app: AppName;
  readonly clock: Clock;
  readonly limits?: Partial<ToolLimits>;
  /** `host:port` that all tools may connect to, by the operator's leave. */
  readonly hosts?: readonly string[];
}

/**
 * Where the tools of one app's builds run, with what they keep from build to build. Two places, because of what is kept:
 * package managers and compilers that run nobody's code trust their caches, and those who may run code of packages and
 * authors could write anything into them. No app has a cache together with another one.
 */
export class BuildBench {
  readonly #tools: ToolPlace;
  readonly #code: ToolPlace;
  readonly #granted: Set<string>;

  private constructor(tools: ToolPlace, code: ToolPlace, granted: Set<string>) {
    this.#tools = tools;
    this.#code = code;
    this.#granted = granted;
  }

  static async open({
    sandbox,
    scratchDir,
    app,
    clock,
    limits,
    hosts = [],
  }: BenchOptions): Promise<BuildBench> {
    const homes = join(scratchDir, 'homes');
    await mkdir(homes, { recursive: true, mode: 0o711 });
    const [toolsHome, codeHome] = [join(homes, `${app}.tools`), join(homes, `${app}.code`)];
    for (const home of [toolsHome, codeHome]) await renew(home, clock);
    await dropLeastUsed(homes, HOMES_KEPT);
    const [npm, certificates] = [npmSettings(), certificateSettings()];
    await mkdir(join(scratchDir, 'npmrc'), { recursive: true });
    const [npmrc, openNpmrc] = [`${app}.tools`, `${app}.code`].map((name) => join(scratchDir, 'npmrc', name));
    await writeFile(npmrc!, npm.text, { mode: 0o644 });
    await writeFile(openNpmrc!, npm.openText, { mode: 0o644 });
    const granted = new Set([...placesOf(npm.registries), ...hosts]);
    const shared = {
      sandbox,
      buildsDir: join(scratchDir, 'builds'),
      limits: { ...TOOL_LIMITS, ...limits },
      network: {
        get granted() {
          return [...granted];
        },
        proxy: upstreamProxy(),
      },
    };
    const readPaths = [...certificates.paths, ...npm.paths, ...programFolders(dirname(scratchDir))];
    const env = { ...certificates.env, npm_config_update_notifier: 'false' };
    const rustup = process.env.RUSTUP_HOME ?? join(homedir(), '.rustup');
    return new BuildBench(
      {
        ...{ ...shared, home: toolsHome, readPaths: [...readPaths, npmrc!] },
        env: { ...env, npm_config_userconfig: npmrc! },
      },
      {
        ...{ ...shared, home: codeHome, readPaths: [...readPaths, openNpmrc!] },
        env: { ...env, RUSTUP_HOME: rustup, npm_config_userconfig: openNpmrc! },
      },
      granted,
    );
  }

  /** Kept by tools that run no code but their own. */
  get toolsHome(): string {
    return this.#tools.home;
  }

  /** Kept by what authors and packages run. */
  get codeHome(): string {
    return this.#code.home;
  }

  /** For a tool that runs no code but its own, whatever it reads. */
  forTools(more: Partial<Omit<Containing, 'place'>> = {}): Containing {
    return { ...{ place: this.#tools, readPaths: [], writeDirs: [], network: false }, ...more };
  }

  /** For what runs code of packages or authors. */
  forCode(more: Partial<Omit<Containing, 'place'>> = {}): Containing {
    return { ...{ place: this.#code, readPaths: [], writeDirs: [], network: true }, ...more };
  }

  /** For a tool that makes, of the platform's own sources alone, what all apps may begin with. */
  async forAll(name: string): Promise<Containing> {
    const home = join(dirname(this.#tools.home), `.${name}`);
    await mkdir(home, { recursive: true, mode: 0o755 });
    return { ...this.forTools(), place: { ...this.#tools, home } };
  }

  /** Lets tools reach these registries too, which the machine's own configuration names. */
  grant(urls: readonly string[]): void {
    for (const place of placesOf(urls)) this.#granted.add(place);
  }
}

/** What a tool may have that only says something, and makes nothing. */
const PLAIN_LIMITS: ToolLimits = { memoryMb: 512, tasksMax: 64, filesMax: 256, diskMb: 64 };

/** For one tool that reaches nothing and leaves nothing: its home goes with it. */
export async function withoutBench<Result>(
  { sandbox, scratchDir }: Pick<BenchOptions, 'sandbox' | 'scratchDir'>,
  work: (containing: Containing) => Promise<Result>,
): Promise<Result> {
  // Among the others, so that its user is nobody else's.
  const homes = join(scratchDir, 'homes');
  await mkdir(homes, { recursive: true, mode: 0o711 });
  const home = await mkdtemp(join(homes, '.once-'));
  try {
    return await work({
      place: {
        ...{ sandbox, home, buildsDir: join(scratchDir, 'builds'), limits: PLAIN_LIMITS },
        ...{ env: {}, readPaths: [], network: { granted: [], proxy: undefined } },
      },
      ...{ readPaths: [], writeDirs: [], network: false },
    });
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

async function renew(home: string, clock: Clock): Promise<void> {
  await mkdir(home, { recursive: true, mode: 0o755 });
  if ((await usageOf([home], '-k')) > HOME_KB_MAX) {
    await rm(home, { recursive: true, force: true });
    await mkdir(home, { mode: 0o755 });
  }
  const now = new Date(clock.nowMs());
  await utimes(home, now, now);
}
