/**
 * `npm pack` runs this first: it writes `dist/`, which is all of the code that a published package carries,
 * because Node.js runs no TypeScript below node_modules. `dist/` mirrors the repository, so that code finds the
 * files beside it by the same relative paths in both; only what users import has declarations.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { ROOT } from './tracked-files.ts';

const DIST = join(ROOT, 'dist');
/** The two runs of the compiler: JavaScript of everything, declarations of the published entry. */
const PROJECTS = ['tsconfig.build.json', 'tsconfig.types.json'];
/** Besides what lies among the code, such as migrations. */
const FOLDERS_COPIED = ['templates', 'schema', 'console/dist'];

function compile(project: string): void {
  const require = createRequire(import.meta.url);
  const compiler = join(dirname(require.resolve('typescript/package.json')), 'bin/tsc');
  const { status } = spawnSync(process.execPath, [compiler, '-p', project], { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) throw new Error(`tsc -p ${project} failed`);
}

function buildConsole(): void {
  const { status } = spawnSync(process.execPath, [join(ROOT, 'tools/build-console.ts'), '--if-changed'], {
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error('the console could not be built');
}

function copyOthers(): void {
  const others = globSync('{src,runtimes,sdk}/**/*', {
    cwd: ROOT,
    withFileTypes: true,
    exclude: ['**/fixtures', '**/conformance', '**/__pycache__'],
  })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length));
  for (const path of [...others, ...FOLDERS_COPIED]) {
    cpSync(join(ROOT, path), join(DIST, path), { recursive: true });
  }
}

/** The compiler rewrites `./x.ts` in JavaScript, but leaves it in declarations, where not every reader resolves it. */
function rewriteDeclarations(): void {
  for (const path of globSync('**/*.d.ts', { cwd: DIST })) {
    const file = join(DIST, path);
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replaceAll(/(from\s+|import\()(['"])(\.[^'"]*)\.ts\2/g, '$1$2$3.js$2'),
    );
  }
}

/** A path to a source file in a string would lead nowhere in the package: the compiler rewrites imports alone. */
function refuseSourcePaths(): void {
  for (const path of globSync('**/*.js', { cwd: DIST })) {
    const text = readFileSync(join(DIST, path), 'utf8');
    const found = /\(\s*['"`]\.{1,2}\/[^'"`\n]*\.ts['"`]/.exec(text)?.[0];
    if (found !== undefined) {
      throw new Error(
        `dist/${path} names a TypeScript file: ${found}. Take the extension from import.meta.url.`,
      );
    }
  }
}

rmSync(DIST, { recursive: true, force: true });
for (const project of PROJECTS) compile(project);
buildConsole();
copyOthers();
rewriteDeclarations();
refuseSourcePaths();
for (const needed of [
  'src/cli/main.js',
  'console/dist/index.html',
  'sdk/node/lambent.js',
  'sdk/node/lambent.d.ts',
]) {
  if (!existsSync(join(DIST, needed))) throw new Error(`dist/${needed} was not written`);
}
