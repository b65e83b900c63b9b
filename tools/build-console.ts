/**
 * Builds the web console from `console/` into `console/dist/`, with the bundler that functions are built with too:
 * there is no second one to keep. `--if-changed` does nothing, silently, when what is there was made of this source.
 * It fails when the first load is over its limit. Everything is written beside and then put in place in one step, so
 * that two builds at once do no harm.
 */
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { OutputChunk } from 'rolldown';
import { ROOT } from './tracked-files.ts';

const SOURCE = join(ROOT, 'console');
const DIST = join(SOURCE, 'dist');
const STAMP = 'source.txt';
/** What a browser fetches until the first screen is complete, packed: page, style, and code. */
const FIRST_LOAD_BYTES_MAX = 250_000;
/** The modules of the screen that is opened first, with its map, which it loads by itself. */
const FIRST_SCREEN = ['console/screens/overview.tsx', 'console/parts/app-map.tsx'];
/**
 * Letters of Western Europe in every weight, in one file; the style sheet calls it by this name. Code is in the
 * system's own fixed width: every system has a good one, and 40 kB are a sixth of the first load.
 */
const FONTS: Readonly<Record<string, string>> = {
  'inter.woff2': '@fontsource-variable/inter/files/inter-latin-wght-normal.woff2',
};
/** Style sheets of packages, which come before our own. */
const SHEETS = ['@xyflow/react/dist/base.css'];
const PUBLIC_PATH = '/_lambent/console/';

/** A digest of all that the result depends on. */
function stampOfSource(): string {
  const hash = createHash('sha256');
  const own = globSync('**/*.{ts,tsx,css,html}', { cwd: SOURCE, exclude: ['dist/**'] }).sort();
  for (const path of [
    ...own.map((each) => join('console', each)),
    'package-lock.json',
    'tools/build-console.ts',
  ])
    hash.update(`${path}\n`).update(readFileSync(join(ROOT, path)));
  return hash.digest('hex');
}

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 10);
const packedBytes = (bytes: Uint8Array): number => gzipSync(bytes).length;

async function bundle(folder: string): Promise<OutputChunk[]> {
  // Loaded here, so that a start with nothing to build does not wait for it.
  const { rolldown } = await import('rolldown');
  const build = await rolldown({
    input: { main: join(SOURCE, 'main.tsx') },
    platform: 'browser',
    transform: { jsx: { runtime: 'automatic' }, define: { 'process.env.NODE_ENV': '"production"' } },
    onLog(level, log) {
      // `use client` speaks to servers that render, of which there is none here.
      if (level === 'warn' && log.code !== 'MODULE_LEVEL_DIRECTIVE') throw new Error(log.message);
    },
  });
  const { output } = await build.write({
    dir: folder,
    format: 'es',
    minify: true,
    entryFileNames: '[name]-[hash].js',
    chunkFileNames: '[name]-[hash].js',
  });
  await build.close();
  return output.filter((each) => each.type === 'chunk');
}

/** What the first screen loads by itself once the page runs, packed. */
function firstScreenBytes(folder: string, main: OutputChunk, all: readonly OutputChunk[]): number {
  const before = new Set(neededBy(main, all));
  const later = FIRST_SCREEN.map((module) => all.find((each) => each.facadeModuleId?.endsWith(module)));
  const needed = new Set(later.flatMap((chunk) => (chunk === undefined ? [] : neededBy(chunk, all))));
  if (later.includes(undefined))
    throw new Error(`not all of ${FIRST_SCREEN.join(', ')} is a chunk of its own`);
  return [...needed]
    .filter((chunk) => !before.has(chunk))
    .reduce((sum, { fileName }) => sum + packedBytes(readFileSync(join(folder, fileName))), 0);
}

/** The chunks that a chunk needs before it runs, itself included. */
function neededBy(first: OutputChunk, all: readonly OutputChunk[]): OutputChunk[] {
  const found = new Set([first]);
  for (const chunk of found)
    for (const name of chunk.imports) {
      const next = all.find((each) => each.fileName === name);
      if (next !== undefined) found.add(next);
    }
  return [...found];
}

/** Without comments and indentation. No string of our sheets has more than one space, or one beside such a sign. */
const squeezed = (sheet: string): string =>
  sheet
    .replace(/\/\*.*?\*\//gs, '')
    .replace(/\s+/g, ' ')
    .replace(/ ?([{};,]) ?/g, '$1');

/** Returns the names of what it wrote: the style sheet, then the fonts that it names. */
function writeStyle(folder: string): [style: string, ...fonts: string[]] {
  const own = globSync('*.css', { cwd: SOURCE }).sort();
  const sheets = [
    ...SHEETS.map((path) => join(ROOT, 'node_modules', path)),
    ...own.map((name) => join(SOURCE, name)),
  ];
  let text = squeezed(sheets.map((sheet) => readFileSync(sheet, 'utf8')).join('\n'));
  const fonts = Object.entries(FONTS).map(([name, path]) => {
    const font = readFileSync(join(ROOT, 'node_modules', path));
    const named = name.replace('.', `-${digestOf(font)}.`);
    writeFileSync(join(folder, named), font);
    text = text.replace(`"${name}"`, `"${named}"`);
    return named;
  });
  const bytes = Buffer.from(text);
  const name = `style-${digestOf(bytes)}.css`;
  writeFileSync(join(folder, name), bytes);
  return [name, ...fonts];
}

/** The licences of the packages whose code is in the bundle go where that code goes. */
function writeLicences(folder: string, chunks: readonly OutputChunk[]): void {
  const files = [
    ...chunks.flatMap((chunk) => chunk.moduleIds),
    ...Object.values(FONTS).map((path) => join(ROOT, 'node_modules', path)),
  ];
  const packages = new Set(
    files.flatMap((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(id)?.[0] ?? []),
  );
  const texts = [...packages].sort().map((path) => {
    const { name, version, license } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as Record<
      string,
      string
    >;
    const file = globSync('LICEN{S,C}E*', { cwd: path })[0];
    const text = file === undefined ? '' : `\n${readFileSync(join(path, file), 'utf8')}`;
    return `${name} ${version}: ${license}\n${text}`;
  });
  writeFileSync(join(folder, 'licences.txt'), texts.join(`\n${'-'.repeat(72)}\n\n`));
}

function writePage(
  folder: string,
  [style, ...fonts]: readonly [string, ...string[]],
  scripts: readonly OutputChunk[],
): number {
  const tags = [
    ...fonts.map(
      (font) => `<link rel="preload" href="${PUBLIC_PATH}${font}" as="font" type="font/woff2" crossorigin>`,
    ),
    `<link rel="stylesheet" href="${PUBLIC_PATH}${style}">`,
    ...scripts.slice(1).map((each) => `<link rel="modulepreload" href="${PUBLIC_PATH}${each.fileName}">`),
    `<script type="module" src="${PUBLIC_PATH}${scripts[0]!.fileName}"></script>`,
  ];
  const page = readFileSync(join(SOURCE, 'index.html'), 'utf8').replace('<!-- built -->', tags.join('\n'));
  writeFileSync(join(folder, 'index.html'), page);
  const files = ['index.html', style, ...fonts, ...scripts.map((each) => each.fileName)];
  return files.reduce((sum, name) => sum + packedBytes(readFileSync(join(folder, name))), 0);
}

/** Builds at once that put what they made in place before this one; each gets its turn. */
const PUT_TURNS_MAX = 20;

/**
 * What is there goes aside whole, so that nobody sees half of it. Whoever builds the same at the same time may have been
 * quicker, which is as good.
 */
function putInPlace(folder: string, stamp: string): void {
  const aside = `${folder}.old`;
  for (let turn = 1; ; turn += 1) {
    try {
      if (existsSync(DIST)) renameSync(DIST, aside);
      renameSync(folder, DIST);
      return;
    } catch (error) {
      if (isBuiltOf(stamp)) return;
      if (turn === PUT_TURNS_MAX) throw error;
    } finally {
      rmSync(aside, { recursive: true, force: true });
    }
  }
}

function isBuiltOf(stamp: string): boolean {
  const file = join(DIST, STAMP);
  return existsSync(file) && readFileSync(file, 'utf8') === stamp;
}

const startMs = performance.now();
const stamp = stampOfSource();
if (!(process.argv.includes('--if-changed') && isBuiltOf(stamp))) {
  const folder = `${DIST}.${process.pid}`;
  mkdirSync(folder, { recursive: true });
  try {
    const chunks = await bundle(folder);
    const main = chunks.find((chunk) => chunk.isEntry)!;
    const firstLoad =
      writePage(folder, writeStyle(folder), neededBy(main, chunks)) + firstScreenBytes(folder, main, chunks);
    if (firstLoad > FIRST_LOAD_BYTES_MAX)
      throw new Error(`the first load is ${firstLoad} bytes, over ${FIRST_LOAD_BYTES_MAX}: load parts later`);
    writeLicences(folder, chunks);
    writeFileSync(join(folder, STAMP), stamp);
    putInPlace(folder, stamp);
    const tookMs = Math.round(performance.now() - startMs);
    console.log(
      `console built in ${tookMs} ms: ${chunks.length} files of code, first load ${Math.round(firstLoad / 1000)} kB packed`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
