import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { LambentError } from '../../base/errors.ts';
import { nearestOf } from '../../base/nearest.ts';
import type { BuildFault, BuildJob } from './build-job.ts';
import { isBelow } from './copy-files.ts';
import { findPackage, packageNameOf } from './installed-packages.ts';
import { pointAt, sourceLine } from './source-excerpt.ts';

/** How many errors of one build are told. */
const FAULTS_SHOWN_MAX = 10;

/** The parts of a bundler's error that are used; all are optional, because plugins throw what they like. */
interface BundlerError {
  readonly message: string;
  readonly code?: string | undefined;
  readonly id?: string | undefined;
  readonly exporter?: string | undefined;
  readonly loc?: { readonly line: number; readonly column: number; readonly file?: string } | undefined;
}

/** An error of a build in the author's terms: place, source line, caret, and what to do. */
export function toBuildFault(thrown: unknown, job: BuildJob): BuildFault {
  if (thrown instanceof LambentError)
    return { code: thrown.code, message: thrown.message, hint: thrown.hint, details: thrown.details };
  if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOSPC')
    return { code: 'E_DISK_FULL', message: `the disk is full: ${thrown.message}` };
  const errors = errorsOf(thrown);
  const told = errors.slice(0, FAULTS_SHOWN_MAX).map((error) => tell(error, job));
  if (errors.length > told.length) told.push({ text: `… and ${errors.length - told.length} more errors` });
  const first = told[0];
  return {
    code: 'E_BUILD_FAILED',
    message: told.map(({ text }) => text).join('\n\n'),
    hint: first?.hint,
    details: { entry: job.entry, file: first?.file, line: first?.line, column: first?.column },
  };
}

interface Told {
  readonly text: string;
  readonly hint?: string | undefined;
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  readonly column?: number | undefined;
}

function errorsOf(thrown: unknown): BundlerError[] {
  if (thrown instanceof Error && 'errors' in thrown && Array.isArray(thrown.errors)) {
    const inner: unknown[] = thrown.errors;
    const errors = inner.flatMap((each) => errorsOf(each));
    if (errors.length > 0) return errors;
  }
  if (typeof thrown === 'object' && thrown !== null && 'message' in thrown) return [thrown as BundlerError];
  return [{ message: String(thrown) }];
}

function tell(error: BundlerError, job: BuildJob): Told {
  const { summary, hint } = explain(error, job);
  const path = error.loc?.file ?? error.id ?? drawnPath(error);
  if (path === undefined || path.startsWith('\0')) return { text: `${job.entry}: ${summary}`, hint };
  const absolute = resolve(job.folder, path);
  const file = shownPath(absolute, job);
  if (error.loc === undefined) return { text: `${file}: ${summary}`, hint, file };
  const { line } = error.loc;
  const column = error.loc.column + 1;
  // A source line of a file that is no part of the app would show an upload what it must not see.
  const source = job.confined && !isBelow(job.folder, absolute) ? undefined : sourceLine(absolute, line);
  const picture = source === undefined ? '' : `\n${pointAt(source, column)}`;
  return { text: `${file}:${line}:${column}: ${summary}${picture}`, hint, file, line, column };
}

function explain(error: BundlerError, job: BuildJob): { summary: string; hint?: string | undefined } {
  // Thrown by a plugin of ours, from inside the bundler.
  if (error instanceof LambentError) return { summary: error.message, hint: error.hint };
  const specifier = error.exporter;
  if (error.code === 'UNRESOLVED_IMPORT' && specifier !== undefined) {
    const importer = dirname(resolve(job.folder, error.id ?? job.entry));
    if (/^\.{0,2}\//.test(specifier) || specifier === '.' || specifier === '..')
      return missingFile(specifier, importer);
    return missingPackage(specifier, importer, job);
  }
  // The first line without its code; what follows is a drawing of our own below.
  const message = stripVTControlCharacters(error.message);
  const first = message.split('\n').find((line) => line.trim() !== '') ?? 'the build failed';
  const summary = first.replace(/^\[[\w ]+\]\s*/, '').replace(/^Error: /, '');
  const help = /Help: (.+)$/m.exec(message)?.[1]?.trim();
  return { summary, hint: help };
}

/** Some errors name their file only in the drawing that is part of their message. */
function drawnPath(error: BundlerError): string | undefined {
  return /\u2500\[ (.+):\d+:\d+ \]/.exec(stripVTControlCharacters(error.message))?.[1];
}

function missingFile(specifier: string, importer: string): { summary: string; hint?: string | undefined } {
  const target = resolve(importer, specifier);
  const folder = dirname(target);
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const nearest = nearestOf(basename(target), names);
  const hint =
    nearest === undefined
      ? 'Create the file, or correct the path.'
      : `Did you mean \`${specifier.slice(0, specifier.lastIndexOf('/') + 1)}${nearest}\`?`;
  return { summary: `cannot find the file \`${specifier}\``, hint };
}

function missingPackage(
  specifier: string,
  importer: string,
  job: BuildJob,
): { summary: string; hint: string } {
  const name = packageNameOf(specifier);
  if (name === undefined)
    return {
      summary: `cannot resolve \`${specifier}\``,
      hint: 'If it is an alias, give it under `paths` in tsconfig.json beside the manifest.',
    };
  if (findPackage(name, importer, job.modulesDir) !== undefined)
    return {
      summary: `the package \`${name}\` is installed, but offers no \`${specifier}\``,
      hint: `Look at \`exports\` in the package.json of \`${name}\`, or update it.`,
    };
  return {
    summary: `cannot find the package \`${name}\``,
    hint: `Run \`${addCommand(job.folder)} ${name}\` in the app's folder${job.confined ? ', then deploy again' : ''}.`,
  };
}

function addCommand(folder: string): string {
  if (existsSync(join(folder, 'pnpm-lock.yaml'))) return 'pnpm add';
  if (existsSync(join(folder, 'yarn.lock'))) return 'yarn add';
  if (existsSync(join(folder, 'bun.lock'))) return 'bun add';
  return 'npm install';
}

/** A path as the author knows it. */
function shownPath(absolute: string, job: BuildJob): string {
  if (isBelow(job.folder, absolute)) return absolute.slice(job.folder.length + 1);
  const modules = absolute.lastIndexOf('/node_modules/');
  return modules >= 0 ? absolute.slice(modules + 1) : basename(absolute);
}
