import { access, constants } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { LambentError } from '../../base/errors.ts';
import type { RuntimeName } from '../../model/function.ts';
import type { FunctionPlan } from '../../model/manifest.ts';
import type { BuildOutput } from './build-job.ts';
import { FileCopier } from './copy-files.ts';
import { installDependencies } from './install-dependencies.ts';
import type { AppSource, Language, LanguageBuild } from './language.ts';

export interface ProgramLanguageOptions {
  /** `bootstrap`: the entry is an executable. `command`: it is a folder. */
  readonly runtime: Extract<RuntimeName, 'bootstrap' | 'command'>;
  readonly clock: Clock;
  /** Where npm's packages are installed, shared with functions in JavaScript. */
  readonly packagesDir: string;
}

/**
 * Programs that come ready to run, in whatever language: they are copied as they are, with their folder. What has to
 * be compiled is the author's to do before the deploy. Only packages of npm are installed, where the program is the
 * whole app and a lock file stands for them.
 */
export class ProgramLanguage implements Language {
  readonly runtime: RuntimeName;
  readonly #options: ProgramLanguageOptions;

  constructor(options: ProgramLanguageOptions) {
    this.runtime = options.runtime;
    this.#options = options;
  }

  async begin({ folder, allowScripts, tell, signal }: AppSource): Promise<LanguageBuild> {
    const { clock, packagesDir } = this.#options;
    const onLine = (text: string): void => tell('install', text);
    return {
      modulesDir: undefined,
      plan: async (plan) => {
        const modulesDir =
          homeOf(plan) === '.'
            ? await installDependencies({
                folder,
                cacheDir: packagesDir,
                clock,
                allowScripts,
                onLine,
                signal,
              })
            : undefined;
        return {
          // What it needs of the machine, nobody here knows: it is the same program wherever it is the same bytes.
          pin: `${this.runtime} 1`,
          packages: undefined,
          cacheKey: modulesDir ?? '',
          build: (outDir) => copyProgram(folder, plan, modulesDir, outDir),
        };
      },
    };
  }
}

/** The folder that is copied, relative to the app; `.`: all of it. */
function homeOf({ runtime, entry }: FunctionPlan): string {
  return runtime === 'command' ? entry : dirname(entry);
}

async function copyProgram(
  folder: string,
  plan: FunctionPlan,
  modulesDir: string | undefined,
  outDir: string,
): Promise<BuildOutput> {
  const { entry, include, runtime } = plan;
  if (runtime === 'bootstrap') await checkExecutable(folder, plan);
  const copier = new FileCopier(outDir);
  await copier.copyFolder(folder, homeOf(plan));
  if (modulesDir !== undefined) await copier.copyModules(modulesDir);
  if (include.length > 0) await copier.copyIncluded(folder, include);
  return { entry, inputs: copier.sources, remarks: [] };
}

async function checkExecutable(folder: string, { name, entry }: FunctionPlan): Promise<void> {
  await access(join(folder, entry), constants.X_OK).catch((thrown: NodeJS.ErrnoException) => {
    const missing = thrown.code === 'ENOENT';
    throw new LambentError(
      'E_BUILD_FAILED',
      `\`${entry}\` of function ${name} ${missing ? 'does not exist' : 'is not executable'}`,
      missing ? {} : { hint: `Run \`chmod +x ${entry}\`.` },
    );
  });
}
