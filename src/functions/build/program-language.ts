import { existsSync } from 'node:fs';
import { access, constants, cp, mkdir, mkdtemp, realpath, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join, posix, relative, sep } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { LambentError } from '../../base/errors.ts';
import type { RuntimeName } from '../../model/function.ts';
import type { FunctionPlan } from '../../model/manifest.ts';
import type { BuildStep } from '../../model/manifest-plan.ts';
import type { BuildOutput } from './build-job.ts';
import { BuildTurns } from './build-turns.ts';
import { FileCopier, isBelow, NEVER_COPIED } from './copy-files.ts';
import { dropLeastUsed } from './drop-least-used.ts';
import { installDependencies } from './install-dependencies.ts';
import type { AppSource, Language, LanguageBuild } from './language.ts';
import { runBuildStep } from './run-build-step.ts';

/** Builds by commands of their authors that run at a time; each may use every processor. */
const BUILDS_PARALLEL_MAX = 2;
/** Functions whose builds keep something for the next one. */
const BUILD_CACHES_KEPT = 50;

export interface ProgramLanguageOptions {
  /** `bootstrap`: the entry is an executable. `command`: it is a folder. */
  readonly runtime: Extract<RuntimeName, 'bootstrap' | 'command'>;
  readonly clock: Clock;
  /** Where npm's packages are installed, shared with functions in JavaScript. */
  readonly packagesDir: string;
  /** A folder of its own: what builds keep for the next one. */
  readonly workDir: string;
}

/**
 * Programs in whatever language. They are copied as they are, with their folder, or made by a command of the author's
 * (`build`) in a copy of it. Where a lock file of npm is in the folder and no packages are, those are installed before.
 */
export class ProgramLanguage implements Language {
  readonly runtime: RuntimeName;
  readonly #options: ProgramLanguageOptions;
  readonly #turns = new BuildTurns(BUILDS_PARALLEL_MAX);

  constructor(options: ProgramLanguageOptions) {
    this.runtime = options.runtime;
    this.#options = options;
  }

  async begin(source: AppSource): Promise<LanguageBuild> {
    const { app, folder, allowScripts, tell, signal } = source;
    const { clock, packagesDir } = this.#options;
    const bench = await source.bench();
    const onLine = (text: string): void => tell('install', text);
    return {
      modulesDir: undefined,
      plan: async (plan) => {
        const home = join(folder, homeOf(plan));
        const install = {
          folder: home,
          cacheDir: packagesDir,
          clock,
          allowScripts,
          onLine,
          signal,
          app,
          bench,
        };
        const modulesDir = existsSync(home) ? await installDependencies(install) : undefined;
        return {
          // What it needs of the machine, nobody here knows: it is the same program wherever it is the same bytes.
          pin: `${this.runtime} 1`,
          packages: undefined,
          cacheKey: JSON.stringify([modulesDir, plan.build]),
          build: (outDir) =>
            plan.build === undefined
              ? copyProgram(folder, plan, modulesDir, outDir)
              : this.#turns.take(() => this.#build(source, plan, plan.build!, modulesDir, outDir)),
        };
      },
    };
  }

  /** What a build that is not contained keeps for the next one. */
  async #cacheOf(name: string): Promise<string> {
    const { clock, workDir } = this.#options;
    const caches = join(workDir, 'caches');
    const cacheDir = join(caches, name);
    await mkdir(cacheDir, { recursive: true });
    const now = new Date(clock.nowMs());
    await utimes(cacheDir, now, now);
    await dropLeastUsed(caches, BUILD_CACHES_KEPT);
    return cacheDir;
  }

  /** Lets the author's command work in a copy of the folder, and keeps what it leaves there. */
  async #build(
    source: AppSource,
    plan: FunctionPlan,
    step: BuildStep,
    modulesDir: string | undefined,
    outDir: string,
  ): Promise<BuildOutput> {
    const { clock } = this.#options;
    const { app, folder, signal, tell } = source;
    const { name, include } = plan;
    // Real, because what links lead to is compared with it.
    const scratchDir = await realpath(await mkdtemp(`${outDir}-step-`));
    try {
      const homeDir = join(scratchDir, homeOf(plan));
      const inputs = await copySource(join(folder, homeOf(plan)), homeDir);
      if (modulesDir !== undefined) await cp(modulesDir, join(homeDir, 'node_modules'), COPY_AS_IT_IS);
      const bench = await source.bench();
      const cacheDir =
        bench === undefined ? await this.#cacheOf(`${app}.${name}`) : join(bench.codeHome, 'builds', name);
      tell('tool', `${name}: ${step.text}`);
      const onLine = (text: string): void => tell('tool', `${name}: ${text}`);
      const containing = bench?.forCode({ writeDirs: [scratchDir] });
      await runBuildStep({ name, step, folder: homeDir, cacheDir, clock, signal, onLine, containing });
      const made = step.output === undefined ? homeOf(plan) : posix.join(homeOf(plan), step.output);
      const real = await realpath(join(scratchDir, made)).catch(() => undefined);
      if (real !== undefined && !isBelow(scratchDir, real))
        throw new LambentError('E_BUILD_FAILED', `the build of ${name} left a link in place of \`${made}\``, {
          hint: 'Copy what it leads to instead.',
        });
      if (real === undefined)
        throw new LambentError('E_BUILD_FAILED', `the build of ${name} left no folder \`${step.output}\``, {
          hint: `Correct \`functions.${name}.build.output\`, or what \`${step.text}\` does.`,
        });
      // A folder of its own becomes the whole of what is deployed.
      const root = step.output === undefined ? scratchDir : join(scratchDir, made);
      const entry =
        step.output === undefined
          ? plan.entry
          : plan.runtime === 'command'
            ? '.'
            : posix.basename(plan.entry);
      if (plan.runtime === 'bootstrap')
        await checkExecutable(root, name, entry, `the build of ${name} left no`);
      await new FileCopier(outDir).copyFolder(root, step.output === undefined ? made : '.');
      const included = new FileCopier(outDir);
      await included.copyIncluded(folder, include);
      return { entry, inputs: [...inputs, ...included.sources], remarks: [] };
    } finally {
      await rm(scratchDir, { recursive: true, force: true });
    }
  }
}

/** The folder that is copied, relative to the app; `.`: all of it. */
function homeOf({ runtime, entry }: FunctionPlan): string {
  return runtime === 'command' ? entry : dirname(entry);
}

/** For the author's tools all is as it was, links too: those of `.bin` are how npm finds programs. */
const COPY_AS_IT_IS = { recursive: true, verbatimSymlinks: true, mode: constants.COPYFILE_FICLONE } as const;

/** Copies a program's source for its build. The answer is what a change of must lead to another build. */
async function copySource(from: string, to: string): Promise<string[]> {
  const inputs: string[] = [];
  await mkdir(to, { recursive: true });
  if (!existsSync(from)) return inputs;
  await cp(from, to, {
    ...COPY_AS_IT_IS,
    filter: (path) => {
      const parts = relative(from, path).split(sep);
      if (NEVER_COPIED.has(parts.at(-1)!)) return false;
      // Of installed packages the mark of their installation is enough.
      const modulesAt = parts.indexOf('node_modules');
      if (modulesAt < 0) inputs.push(path);
      else if (modulesAt === parts.length - 1) inputs.push(join(path, '.package-lock.json'));
      return true;
    },
  });
  const facts = await Promise.all(inputs.map((path) => stat(path).catch(() => undefined)));
  return inputs.filter((_, at) => facts[at]?.isDirectory() !== true);
}

async function copyProgram(
  folder: string,
  plan: FunctionPlan,
  modulesDir: string | undefined,
  outDir: string,
): Promise<BuildOutput> {
  const { name, entry, include, runtime, build } = plan;
  if (runtime === 'bootstrap' && build === undefined) await checkExecutable(folder, name, entry);
  const copier = new FileCopier(outDir);
  const home = homeOf(plan);
  if (existsSync(join(folder, home))) await copier.copyFolder(folder, home);
  if (modulesDir !== undefined) await copier.copyModules(modulesDir, home);
  if (include.length > 0) await copier.copyIncluded(folder, include);
  return { entry, inputs: copier.sources, remarks: [] };
}

async function checkExecutable(folder: string, name: string, entry: string, lacks?: string): Promise<void> {
  await access(join(folder, entry), constants.X_OK).catch((thrown: NodeJS.ErrnoException) => {
    const missing = thrown.code === 'ENOENT';
    const what = missing ? 'does not exist' : 'is not executable';
    throw new LambentError(
      'E_BUILD_FAILED',
      lacks === undefined
        ? `\`${entry}\` of function ${name} ${what}`
        : `${lacks} executable \`${entry}\`: it ${what}`,
      missing ? {} : { hint: `Run \`chmod +x ${entry}\`.` },
    );
  });
}
