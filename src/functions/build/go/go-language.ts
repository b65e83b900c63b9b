import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import type { Clock } from '../../../base/clock.ts';
import { LambentError } from '../../../base/errors.ts';
import type { FunctionPlan } from '../../../model/manifest.ts';
import type { BuildOutput } from '../build-job.ts';
import { BuildTurns } from '../build-turns.ts';
import type { Containing } from '../tool-run.ts';
import { FileCopier, isBelow } from '../copy-files.ts';
import type { AppSource, Language, LanguageBuild } from '../language.ts';
import { toGoFault } from './go-faults.ts';
import { beginCache } from './go-cache.ts';
import { AWS_MODULE, digestSdk, GoModules, moduleFolderOf, OWN_MODULE, SDK_DIR } from './go-module.ts';
import { type GoPlace, type GoToolchain, selectToolchain } from './go-toolchain.ts';

/** How long one build may take, downloads and the first compilation of the standard library included. */
const BUILD_MS_MAX = 300_000;
/** After this time the person who waits is told why. */
const PATIENCE_MS = 3_000;
/** Each build uses every processor already. */
const BUILDS_PARALLEL_MAX = 2;
const PLAIN_PATH = /^[\w./-]+$/;
/** The program in a version's code. */
const PROGRAM = 'bootstrap';
/** Prints the files of each package that is no part of Go, and marks the package that is built. */
const LIST_FORMAT =
  '{{if not .Standard}}{{if not .DepOnly}}main {{.Name}}\n{{end}}package {{.ImportPath}}\n' +
  '{{$dir := .Dir}}{{range .GoFiles}}file {{$dir}}/{{.}}\n{{end}}{{range .SFiles}}file {{$dir}}/{{.}}\n{{end}}' +
  '{{range .EmbedFiles}}file {{$dir}}/{{.}}\n{{end}}{{end}}';

export interface GoLanguageOptions {
  readonly clock: Clock;
  /** A folder of its own: what builds add to modules, and Go's caches where the person has none. */
  readonly workDir: string;
}

/** Go: one static program a function, by the go command of the machine or a toolchain that it fetches. */
export class GoLanguage implements Language {
  readonly runtime = 'go';
  readonly #options: GoLanguageOptions;
  readonly #turns = new BuildTurns(BUILDS_PARALLEL_MAX);

  constructor(options: GoLanguageOptions) {
    this.#options = options;
  }

  async begin(source: AppSource): Promise<LanguageBuild> {
    const { clock, workDir } = this.#options;
    const sdkDigest = await digestSdk();
    const modules = new GoModules(join(workDir, 'modules'), sdkDigest);
    const toolchains = new Map<string, Promise<GoToolchain>>();
    const bench = await source.bench();
    const containing = bench?.forTools({
      readPaths: [source.folder, SDK_DIR, modules.copiesDir],
      network: true,
    });
    await mkdir(modules.copiesDir, { recursive: true });
    return {
      modulesDir: undefined,
      plan: async (plan) => {
        const place: GoPlace = {
          folder: moduleFolderOf(source.folder, plan.entry),
          clock,
          signal: source.signal,
          confined: source.confined,
          bench,
          containing,
          onLine: (text) => {
            if (text.startsWith('go: downloading ')) source.tell('install', text.slice('go: '.length));
          },
        };
        const key = `${place.folder} ${plan.runtimeVersion ?? ''}`;
        let selecting = toolchains.get(key);
        if (selecting === undefined) {
          selecting = selectToolchain(place, plan.runtimeVersion, join(workDir, 'caches'));
          toolchains.set(key, selecting);
        }
        const toolchain = await selecting;
        return {
          pin: `go ${toolchain.version}`,
          packages: undefined,
          cacheKey: sdkDigest,
          build: (outDir) =>
            this.#turns.take(() => this.#build(source, plan, place, toolchain, modules, outDir)),
        };
      },
    };
  }

  async #build(
    source: AppSource,
    plan: FunctionPlan,
    place: GoPlace,
    toolchain: GoToolchain,
    modules: GoModules,
    outDir: string,
  ): Promise<BuildOutput> {
    const scratchDir = await mkdtemp(`${outDir}-go-`);
    try {
      const { overlayFile } = await modules.prepare(
        toolchain,
        place,
        scratchDir,
        source.confined ? source.folder : undefined,
      );
      const failure = {
        code: 'E_BUILD_FAILED',
        hint: 'Run `go build` in the folder and read its output.',
      } as const;
      const target = targetOf(source.folder, place.folder, plan.entry);
      const flags = ['-trimpath', '-buildvcs=false', `-overlay=${overlayFile}`];
      // Go would compare a vendor folder with our go.mod, and refuse it (go-vendor.ts).
      if (existsSync(join(place.folder, 'vendor'))) flags.push('-mod=readonly');
      const moduleDir = relative(source.folder, place.folder).split(sep).join('/');
      // A name with a space would become further flags of the linker.
      const shown = PLAIN_PATH.test(moduleDir) ? moduleDir : '';
      const ldflags = `-s -w -X ${OWN_MODULE}/internal/instance.moduleDir=${shown}`;
      const list = ['list', '-deps', '-e', ...flags, '-f', LIST_FORMAT, target];
      const patience = this.#options.clock.after(PATIENCE_MS, () =>
        source.tell(
          'tool',
          `${plan.entry} is being compiled; the first time with a version of Go takes longer`,
        ),
      );
      const build = ['build', ...flags, `-ldflags=${ldflags}`, '-o', join(outDir, PROGRAM), target];
      if (place.bench !== undefined) await beginCache(toolchain, place.bench, place);
      const msMax = BUILD_MS_MAX;
      const seeing = { ...place, containing: alsoSeeing(place.containing, scratchDir) };
      const [listed, built] = await Promise.allSettled([
        toolchain.run(seeing, list, failure, { msMax }),
        toolchain.run(seeing, build, failure, { msMax, writeDirs: [outDir] }),
      ]);
      patience.cancel();
      if (built.status === 'rejected') throw built.reason;
      if (listed.status === 'rejected') throw listed.reason;
      const inputs = readList(listed.value, plan.entry).filter((path) => isBelow(source.folder, path));
      const copier = new FileCopier(outDir);
      await copier.copyIncluded(source.folder, plan.include);
      const steering = ['go.mod', 'go.sum', 'go.work', 'go.work.sum', 'vendor/modules.txt'].map((name) =>
        join(place.folder, name),
      );
      return { entry: PROGRAM, inputs: [...inputs, ...steering, ...copier.sources], remarks: [] };
    } catch (thrown) {
      if (!(thrown instanceof LambentError) || thrown.code !== 'E_BUILD_FAILED') throw thrown;
      throw toGoFault(thrown, {
        appFolder: source.folder,
        moduleFolder: place.folder,
        entry: plan.entry,
        confined: source.confined,
      });
    } finally {
      await rm(scratchDir, { recursive: true, force: true });
    }
  }
}

function alsoSeeing(containing: Containing | undefined, path: string): Containing | undefined {
  return containing && { ...containing, readPaths: [...containing.readPaths, path] };
}

/** What is built: the package of the entry's folder, but a file directly in `functions/` is a program by itself. */
function targetOf(appFolder: string, moduleFolder: string, entry: string): string {
  const alone = dirname(entry) === 'functions' && basename(entry) !== 'main.go';
  const path = join(appFolder, alone ? entry : dirname(entry));
  return `./${relative(moduleFolder, path).split(sep).join('/')}`;
}

/** The files that went in. Throws when what was built is no program, or none that could answer. */
function readList(text: string, entry: string): string[] {
  const files: string[] = [];
  const packages = new Set<string>();
  for (const line of text.split('\n')) {
    const space = line.indexOf(' ');
    const rest = line.slice(space + 1);
    if (line.startsWith('file ')) files.push(rest);
    else if (line.startsWith('package ')) packages.add(rest);
    else if (line.startsWith('main ') && rest !== 'main')
      throw new LambentError(
        'E_BUILD_FAILED',
        `${entry}: it is \`package ${rest}\`, and a function is a program`,
        {
          hint: 'Begin the file with `package main`, and call `lambent.Start(handler)` in `func main()`.',
          details: { entry },
        },
      );
  }
  if (!packages.has(OWN_MODULE) && !packages.has(`${AWS_MODULE}/lambda`))
    throw new LambentError(
      'E_BUILD_FAILED',
      `${entry}: the program has no handler: nothing in it answers calls`,
      {
        hint: `Call \`lambent.Start(handler)\` of \`${OWN_MODULE}\` (or \`lambda.Start\` of ${AWS_MODULE}) in \`func main()\`.`,
        details: { entry },
      },
    );
  return files;
}
