import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * A program that runs in instances, as one file with parts that are loaded when needed. Starting it from its many
 * sources takes an instance three times as long: reading and stripping each file costs more than running it. It is
 * bundled once for each version of the sources and kept in the data folder.
 */

const RUNTIMES = fileURLToPath(new URL('../../runtimes', import.meta.url));
const WIRE_FORMAT = fileURLToPath(new URL('../model', import.meta.url));
const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';

/** The programs, each with the folders of `runtimes/` that it is made of; its own, with `main`, comes first. */
const PROGRAMS = {
  node: ['node'],
  bootstrap: ['bootstrap', 'child', 'node'],
  command: ['command', 'child', 'node'],
} as const;

export type ProgramName = keyof typeof PROGRAMS;

async function listSources(folder: string): Promise<string[]> {
  const names = (await readdir(join(RUNTIMES, folder))).filter(
    (name) => name.endsWith(`.${extension}`) && !name.endsWith(`.test.${extension}`),
  );
  return names.sort().map((name) => join(RUNTIMES, folder, name));
}

async function digestSources(program: ProgramName): Promise<string> {
  const hash = createHash('sha256').update(process.version);
  const sources = await Promise.all(PROGRAMS[program].map(listSources));
  const wire = ['frames', 'stream-table', 'code-cache'].map((name) =>
    join(WIRE_FORMAT, `${name}.${extension}`),
  );
  const paths = [...sources.flat(), ...wire];
  for (const path of paths)
    hash
      .update(path)
      .update('\0')
      .update(await readFile(path))
      .update('\0');
  return hash.digest('hex').slice(0, 16);
}

/** Resolves with the path of the program. `cacheDir` holds such programs and nothing else. */
export async function bundleRuntime(cacheDir: string, runtime: ProgramName): Promise<string> {
  const name = `${runtime}-${await digestSources(runtime)}`;
  const folder = join(cacheDir, name);
  const program = join(folder, 'main.mjs');
  if (existsSync(program)) return program;
  await mkdir(cacheDir, { recursive: true });
  for (const stale of (await readdir(cacheDir)).filter((each) => each.startsWith(`${runtime}-`)))
    await rm(join(cacheDir, stale), { recursive: true, force: true });
  // Loaded here: only the first start of a version needs the bundler.
  const { build } = await import('rolldown');
  const unfinished = `${folder}.unfinished`;
  await build({
    input: join(RUNTIMES, runtime, `main.${extension}`),
    platform: 'node',
    logLevel: 'silent',
    output: {
      dir: unfinished,
      format: 'esm',
      entryFileNames: '[name].mjs',
      chunkFileNames: '[name]-[hash].mjs',
    },
  });
  await rename(unfinished, folder);
  return program;
}
