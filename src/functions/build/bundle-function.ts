/**
 * Builds one function: its own code and the packages it uses become one file with a source map; what cannot be
 * bundled is copied beside it. It runs in the builder process, because a bundler is native code that may crash
 * on hostile sources.
 *
 * The output depends on the sources alone: no absolute path, no time, no order of a directory gets in. The
 * bundle lies where the entry lay (`functions/hello.ts` becomes `functions/hello.mjs`), so that `__dirname`,
 * `import.meta.url` and included files agree with the source tree.
 *
 * Deliberately absent: minification (stack traces are for people) and type checking.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { dirname, extname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { type OutputOptions, type Plugin, type RolldownLog, rolldown } from 'rolldown';
import { parseSync } from 'rolldown/utils';
import { LambentError } from '../../base/errors.ts';
import { DERIVED_FOLDER } from '../../model/code-cache.ts';
import type { BuildJob, BuildOutput } from './build-job.ts';
import { keepCodeCache } from './code-cache.ts';
import { FileCopier, isBelow } from './copy-files.ts';
import { noteCreatedApps } from './created-apps.ts';
import { findPackage, packageFacts, packageNameOf } from './installed-packages.ts';
import { planPackages } from './package-closure.ts';

/** The largest entry file, in bytes. */
const ENTRY_BYTES_MAX = 16 * 1024 * 1024;
/** How many warnings of one build are passed on. */
const WARNINGS_MAX = 20;

/** The SDK that `import … from 'lambent'` means where the app has not installed it. */
const SDK_FILE = import.meta.url.endsWith('.ts')
  ? '../../../sdk/node/lambent.ts'
  : '../../../sdk/node/lambent.js';
const SDK_ENTRY = fileURLToPath(new URL(SDK_FILE, import.meta.url));

/** Builds into `job.outDir`. Rejects with the bundler's errors or a `LambentError`. */
export async function bundleFunction(job: BuildJob): Promise<BuildOutput> {
  const source = await readEntry(job);
  const isModule = isModuleSyntax(job, source);
  const stem = job.entry.slice(0, -extname(job.entry).length);
  const outFile = `${stem}.${isModule ? 'mjs' : 'cjs'}`;
  const kept = new Map<string, string>();
  const warnings: string[] = [];
  const unresolved: RolldownLog[] = [];
  const tsconfig = join(job.folder, 'tsconfig.json');
  const bundle = await rolldown({
    input: { [stem]: join(job.folder, job.entry) },
    cwd: job.folder,
    platform: 'node',
    tsconfig: existsSync(tsconfig) ? tsconfig : false,
    plugins: [job.confined ? confine(job) : undefined, keepPackages(job, kept), noteCreatedApps()],
    resolve: { modules: ['node_modules', ...(job.modulesDir === undefined ? [] : [job.modulesDir])] },
    experimental: { attachDebugInfo: 'none' },
    // In a CommonJS bundle these names mean themselves already.
    transform: isModule
      ? { define: { __dirname: 'import.meta.dirname', __filename: 'import.meta.filename' } }
      : {},
    onLog: (level, log) => {
      if (level !== 'warn' || !isOwnCode(log)) return;
      // The bundler would leave such imports to fail at run time. (It is silent where the code catches that.)
      if (log.code === 'UNRESOLVED_IMPORT') unresolved.push(log);
      else if (warnings.length < WARNINGS_MAX) warnings.push(warningText(log, job));
    },
  });
  try {
    const { output } = await bundle.generate(outputOptions(job, outFile, isModule));
    if (unresolved.length > 0) throw new BundleErrors(unresolved);
    const copier = new FileCopier(job.outDir);
    const packages = planPackages(
      [...kept].map(([name, dir]) => ({ name, dir })).toSorted((a, b) => (a.name < b.name ? -1 : 1)),
      job.modulesDir,
    );
    await copier.copyIncluded(job.folder, job.include);
    await copier.copyPackages(packages);
    for (const piece of output) {
      const file = join(job.outDir, piece.fileName);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, piece.type === 'chunk' ? piece.code : piece.source);
    }
    await writeFile(
      join(job.outDir, 'package.json'),
      `${JSON.stringify({ private: true, type: isModule ? 'module' : 'commonjs' })}\n`,
    );
    const watched = await bundle.watchFiles;
    const remarks =
      kept.size === 0
        ? warnings
        : [...warnings, `copied as they are: ${[...kept.keys()].toSorted().join(', ')}`];
    const [chunk] = output;
    return {
      entry: outFile,
      derived: (await keepCodeCache(job.outDir, chunk, isModule)) ? DERIVED_FOLDER : undefined,
      inputs: [
        ...new Set([...watched, ...copier.sources, ...packages.map(({ dir }) => join(dir, 'package.json'))]),
      ],
      remarks,
    };
  } finally {
    await bundle.close();
  }
}

function outputOptions(job: BuildJob, outFile: string, isModule: boolean): OutputOptions {
  return {
    format: isModule ? 'esm' : 'cjs',
    entryFileNames: () => outFile,
    codeSplitting: false,
    sourcemap: true,
    sourcemapPathTransform: (path, mapPath) => {
      const placed = placeSource(resolve(dirname(mapPath), path), job);
      return relative(dirname(outFile), placed).split(sep).join('/');
    },
  };
}

/** The place of a source within the app, made up for what lies outside of it. */
function placeSource(absolute: string, job: BuildJob): string {
  const wrapper = absolute.indexOf('\0');
  if (wrapper >= 0) return absolute.slice(wrapper + 1).replaceAll(':', '-');
  const modules = absolute.lastIndexOf('/node_modules/');
  const installed = job.modulesDir === undefined ? undefined : dirname(job.modulesDir);
  if (installed !== undefined && isBelow(installed, absolute)) return relative(installed, absolute);
  if (isBelow(job.folder, absolute)) return relative(job.folder, absolute);
  if (modules >= 0) return absolute.slice(modules + 1);
  if (absolute.startsWith(dirname(SDK_ENTRY))) return 'lambent';
  return relative(job.folder, absolute).replaceAll('..', '_');
}

async function readEntry(job: BuildJob): Promise<string> {
  const file = join(job.folder, job.entry);
  const source = await readFile(file, 'utf8').catch((thrown: unknown) => {
    throw new LambentError('E_BUILD_FAILED', `cannot read ${job.entry}`, { cause: thrown });
  });
  if (source.length > ENTRY_BYTES_MAX)
    throw new LambentError('E_BUILD_FAILED', `${job.entry} is larger than ${ENTRY_BYTES_MAX} bytes`);
  return source;
}

/**
 * Whether the entry is an ES module. By the file's ending, or else by its syntax, as Node.js does: TypeScript is
 * usually written with `import` in packages that do not say `"type": "module"`.
 */
function isModuleSyntax(job: BuildJob, source: string): boolean {
  if (/\.m[jt]s$/.test(job.entry)) return true;
  if (/\.c[jt]s$/.test(job.entry)) return false;
  // TypeScript's own way to say `module.exports = …`.
  if (/(?:^|;)\s*export\s*=/m.test(source)) return false;
  const parsed = parseSync(job.entry, source, { sourceType: 'unambiguous' });
  if (parsed.module.hasModuleSyntax) return true;
  // Broken syntax is the bundler's to report; `await` outside of functions parses only as a module.
  const asScript = parseSync(job.entry, source, { sourceType: 'commonjs' });
  if (asScript.errors.length === 0) return false;
  return parseSync(job.entry, source, { sourceType: 'module' }).errors.length === 0;
}

/** Leaves packages out of the bundle that hold native code or that the author named, and notes where they are. */
function keepPackages(job: BuildJob, kept: Map<string, string>): Plugin {
  const named = new Set(job.external);
  return {
    name: 'lambent-keep-packages',
    resolveId: {
      filter: { id: /^(@[\w.~-]+\/)?[\w~-][\w.~-]*(\/.*)?$/ },
      handler(source, importer) {
        const name = packageNameOf(source);
        if (name === undefined || importer === undefined || isBuiltin(source)) return null;
        const fromDir = importer.startsWith('\0') ? job.folder : dirname(importer);
        const dir = findPackage(name, fromDir, job.modulesDir);
        if (dir === undefined) return name === 'lambent' ? { id: SDK_ENTRY } : null;
        if (!named.has(name) && !packageFacts(dir).native) return null;
        if (job.confined && !isInReach(job, dir))
          throw new LambentError('E_BUILD_FAILED', `the package \`${name}\` lies outside of the app`);
        const before = kept.get(name);
        if (before !== undefined && before !== dir)
          planPackages(
            [
              { name, dir: before },
              { name, dir },
            ],
            undefined,
          );
        kept.set(name, dir);
        return { id: source, external: true };
      },
    },
    load: {
      filter: { id: /\.node$/ },
      handler(id) {
        const name = packageNameOf(id.slice(id.lastIndexOf('/node_modules/') + '/node_modules/'.length));
        throw new LambentError(
          'E_BUILD_FAILED',
          `${placeSource(id, job)} is native code and cannot be bundled`,
          {
            hint: `Add \`external: [${name ?? 'the package'}]\` to the function in the manifest.`,
          },
        );
      },
    },
  };
}

/** Uploads may read what they brought along, what was installed for them, and the SDK. */
function confine(job: BuildJob): Plugin {
  return {
    name: 'lambent-confine',
    load(id) {
      if (id.startsWith('\0') || isInReach(job, id)) return null;
      throw new LambentError('E_BUILD_FAILED', 'an import leads to a file outside of the app', {
        hint: 'Everything that a function imports must be below the folder that is deployed.',
      });
    },
  };
}

function isInReach(job: BuildJob, path: string): boolean {
  return (
    isBelow(job.folder, path) ||
    (job.modulesDir !== undefined && isBelow(dirname(job.modulesDir), path)) ||
    isBelow(dirname(SDK_ENTRY), path)
  );
}

/** What the bundler only warned of, as errors. */
class BundleErrors extends Error {
  readonly errors: readonly RolldownLog[];

  constructor(errors: readonly RolldownLog[]) {
    super(errors[0]?.message);
    this.errors = errors;
  }
}

/** Remarks about the code of packages help nobody. */
function isOwnCode(log: RolldownLog): boolean {
  const id = log.id ?? log.loc?.file;
  return id === undefined || !(id.includes('/node_modules/') || id.startsWith('\0'));
}

function warningText(log: RolldownLog, job: BuildJob): string {
  const id = log.id ?? log.loc?.file;
  const first = stripVTControlCharacters(log.message)
    .split('\n')[0]!
    .replace(/^\[[\w ]+\]\s*/, '');
  const file = id === undefined ? job.entry : relative(job.folder, resolve(job.folder, id));
  const place = log.loc === undefined ? file : `${file}:${log.loc.line}:${log.loc.column + 1}`;
  return `${place}: ${first}`;
}
