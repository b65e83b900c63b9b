import { access, constants } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LambentError } from '../../base/errors.ts';
import type { RuntimeName } from '../../model/function.ts';
import type { FunctionPlan } from '../../model/manifest.ts';
import type { BuildOutput } from './build-job.ts';
import { FileCopier } from './copy-files.ts';
import type { AppSource, Language, LanguageBuild } from './language.ts';

/**
 * Programs that come ready to run, in whatever language: they are copied as they are, with their folder. What has to
 * be compiled or installed is the author's to do before the deploy.
 */
export class ProgramLanguage implements Language {
  readonly runtime: RuntimeName;

  constructor(runtime: RuntimeName) {
    this.runtime = runtime;
  }

  async begin({ folder }: AppSource): Promise<LanguageBuild> {
    return {
      modulesDir: undefined,
      plan: async (plan) => ({
        // What it needs of the machine, nobody here knows: it is the same program wherever it is the same bytes.
        pin: `${this.runtime} 1`,
        packages: undefined,
        cacheKey: '',
        build: (outDir) => copyProgram(folder, plan, outDir),
      }),
    };
  }
}

async function copyProgram(folder: string, plan: FunctionPlan, outDir: string): Promise<BuildOutput> {
  const { name, entry, include } = plan;
  await access(join(folder, entry), constants.X_OK).catch((thrown: NodeJS.ErrnoException) => {
    const missing = thrown.code === 'ENOENT';
    throw new LambentError(
      'E_BUILD_FAILED',
      `\`${entry}\` of function ${name} ${missing ? 'does not exist' : 'is not executable'}`,
      missing ? {} : { hint: `Run \`chmod +x ${entry}\`.` },
    );
  });
  const copier = new FileCopier(outDir);
  await copier.copyFolder(folder, dirname(entry));
  if (include.length > 0) await copier.copyIncluded(folder, include);
  return { entry, inputs: copier.sources, remarks: [] };
}
