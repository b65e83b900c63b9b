import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { FunctionPlan } from '../../model/manifest.ts';
import { Builder } from './builder.ts';
import { installDependencies } from './install-dependencies.ts';
import type { AppSource, Language, LanguageBuild } from './language.ts';

export interface NodeLanguageOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Folders of its own: the builder's, and installed packages. */
  readonly workDir: string;
  readonly packagesDir: string;
}

/** JavaScript and TypeScript: packages by npm, bundled in the builder process, run by the platform's own Node.js. */
export class NodeLanguage implements Language {
  readonly runtime = 'node';
  readonly #options: NodeLanguageOptions;
  readonly #builder: Builder;

  constructor(options: NodeLanguageOptions) {
    this.#options = options;
    const { clock, log, workDir } = options;
    this.#builder = new Builder({ clock, log, workDir });
  }

  async begin(source: AppSource): Promise<LanguageBuild> {
    const { clock, packagesDir } = this.#options;
    const { app, folder, confined, allowScripts, signal, tell } = source;
    const modulesDir = await installDependencies({
      folder,
      cacheDir: packagesDir,
      clock,
      allowScripts,
      onLine: (text) => tell('install', text),
      signal,
      app,
      bench: await source.bench(),
    });
    const builder = this.#builder;
    return {
      modulesDir,
      plan: async ({ entry, external, include }: FunctionPlan) => ({
        pin: `node ${process.versions.node}`,
        packages: undefined,
        cacheKey: '',
        build: (outDir) => builder.build({ folder, entry, external, include, outDir, modulesDir, confined }),
      }),
    };
  }

  close(): Promise<void> {
    return this.#builder.close();
  }
}
