import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LambentError } from '../../../base/errors.ts';
import type { FunctionPlan } from '../../../model/manifest.ts';
import type { BuildOutput } from '../build-job.ts';
import { FileCopier } from '../copy-files.ts';
import type { AppSource, Language, LanguageBuild, PlannedBuild } from '../language.ts';
import { runTool } from '../run-tool.ts';
import { findPython, pathsOf, type Python } from './find-python.ts';
import { type InstalledPackages, type InstallerOptions, PackageInstaller } from './install-packages.ts';
import { pythonFault, type SourceFault } from './python-faults.ts';

/** How long finding and compiling the files of one function may take, and how much may be said of them. */
const COLLECT_MS_MAX = 60_000;
const COLLECT_CHARS_MAX = 8 * 1024 * 1024;
const COLLECT_PROGRAM = fileURLToPath(new URL('./collect.py', import.meta.url));
/** What `import lambent` means where the app has not installed it. */
const SDK_DIR = fileURLToPath(new URL('../../../../sdk/python', import.meta.url));
const SDK_PACKAGE = 'lambent';

interface Collected {
  /** Relative to the app. */
  readonly files: readonly string[];
  readonly faults: readonly SourceFault[];
  /** Of the packages that the platform provides, those that are imported. */
  readonly uses: readonly string[];
}

/**
 * Python: packages by pip into a folder of their own, the function's modules found by their imports and compiled ahead,
 * run by an interpreter of this machine.
 */
export class PythonLanguage implements Language {
  readonly runtime = 'python';
  readonly #options: InstallerOptions;
  readonly #installer: PackageInstaller;

  constructor(options: InstallerOptions) {
    this.#options = options;
    this.#installer = new PackageInstaller(options);
  }

  /** `python3` may be a script that takes half a second to find the interpreter, as those of pyenv do. */
  foresee(): void {
    // That there is none is said by the deploy.
    void findPython(undefined).catch(() => {});
  }

  async begin(source: AppSource): Promise<LanguageBuild> {
    return { modulesDir: undefined, plan: (plan) => this.#plan(plan, source) };
  }

  async #plan(plan: FunctionPlan, source: AppSource): Promise<PlannedBuild> {
    const python = await findPython(plan.runtimeVersion);
    const packages = await this.#installer.install(python, plan.entry, source);
    return {
      pin: `python ${python.version}`,
      packages: packages?.blob,
      cacheKey: packages?.blob ?? '',
      build: (outDir) => this.#build(plan, source, python, packages, outDir),
    };
  }

  async #build(
    { entry, include }: FunctionPlan,
    source: AppSource,
    python: Python,
    packages: InstalledPackages | undefined,
    outDir: string,
  ): Promise<BuildOutput> {
    const { folder, signal } = source;
    const bench = await source.bench();
    const shown = [
      folder,
      dirname(COLLECT_PROGRAM),
      SDK_DIR,
      ...(packages === undefined ? [] : [packages.dir]),
    ];
    const job = { folder, entry, outDir, packagesDir: packages?.dir ?? null, provided: [SDK_PACKAGE] };
    const text = await runTool({
      command: [python.program, '-I', '-S', COLLECT_PROGRAM],
      cwd: folder,
      containing: bench?.forTools({
        readPaths: [...shown, ...pathsOf(python)],
        writeDirs: [outDir],
      }),
      input: JSON.stringify(job),
      clock: this.#options.clock,
      msMax: COLLECT_MS_MAX,
      onLine: () => {},
      collectChars: COLLECT_CHARS_MAX,
      signal,
      failure: { code: 'E_BUILD_FAILED', title: `building ${entry}`, hint: 'Read what Python says above.' },
    });
    const { files, faults, uses } = JSON.parse(text) as Collected;
    if (faults.length > 0) throw pythonFault(faults);
    const copier = new FileCopier(outDir);
    await copier.copyFiles(folder, files);
    await copier.copyIncluded(folder, include);
    if (!copier.has(entry))
      throw new LambentError('E_BUILD_FAILED', `${entry} is a link that leads out of the app`);
    const inputs = copier.sources;
    if (uses.includes(SDK_PACKAGE)) await copier.copyIncluded(SDK_DIR, [`${SDK_PACKAGE}/*.py`]);
    return { entry, inputs, remarks: [] };
  }
}
