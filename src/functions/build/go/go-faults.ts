import { basename, relative, resolve } from 'node:path';
import { LambentError } from '../../../base/errors.ts';
import { isBelow } from '../copy-files.ts';
import { pointAt, sourceLine } from '../source-excerpt.ts';

/** How many errors of one build are told. */
const FAULTS_SHOWN_MAX = 10;
const PLACE = /^(?:vet: )?(.+?\.(?:go|s|mod)):(\d+)(?::(\d+))?: (.+)$/;

/** What Go says when a package is missing or go.mod is behind, and what helps. */
const HINTS: readonly (readonly [RegExp, (match: RegExpExecArray) => string])[] = [
  [
    /(?:no required module provides|cannot find module providing) package ([^\s;:]+)/,
    ([, path]) => `Run \`go get ${path}\` in the folder of go.mod, then deploy again.`,
  ],
  [
    /missing go\.sum entry|updates to go\.mod needed|inconsistent vendoring/,
    () => 'Run `go mod tidy` in the folder of go.mod, then deploy again.',
  ],
  [/package (\S+) is not in std/, () => 'Correct the import, or `go get` the module that has it.'],
  [
    /disabled by GOPROXY=off/,
    () => 'Uploads get modules from a proxy alone: set GOPROXY where the platform runs to one that has them.',
  ],
  [/requires go >= (\S+)/, ([, version]) => `Pin the version in the manifest: \`runtime: go${version}\`.`],
  [/declared and not used|imported and not used/, () => 'Remove it, or use it: Go takes no unused names.'],
];

/** Where a build happened, for showing its errors in the author's terms. */
export interface GoBuildPlace {
  /** Absolute path of the app. */
  readonly appFolder: string;
  /** Absolute path of the folder that Go ran in: it names files relative to it. */
  readonly moduleFolder: string;
  readonly entry: string;
  /** True for uploads: source lines of other folders are not shown. */
  readonly confined: boolean;
}

/** An error of `go build` with place, source line, caret, and what to do. */
export function toGoFault(thrown: LambentError, place: GoBuildPlace): LambentError {
  const output = thrown.details?.output;
  if (!Array.isArray(output)) return thrown;
  const lines = (output as string[]).filter((line) => !/^(#|go: downloading )/.test(line));
  const told: string[] = [];
  let first: { file: string; line: number; column: number | undefined } | undefined;
  for (const line of lines) {
    const match = PLACE.exec(line);
    if (match === null) {
      told.push(line.replace(/^go: /, ''));
      continue;
    }
    const [, path, lineText, columnText, summary] = match;
    const absolute = resolve(place.moduleFolder, path!);
    const file = shownPath(absolute, place);
    const [at, column] = [Number(lineText), columnText === undefined ? undefined : Number(columnText)];
    first ??= { file, line: at, column };
    const where = column === undefined ? `${file}:${at}` : `${file}:${at}:${column}`;
    const mayShow = !place.confined || isBelow(place.appFolder, absolute);
    const source = mayShow ? sourceLine(absolute, at) : undefined;
    const picture = source === undefined || column === undefined ? '' : `\n${pointAt(source, column)}`;
    told.push(`${where}: ${summary}${picture}`);
  }
  const shown = told.slice(0, FAULTS_SHOWN_MAX);
  if (told.length > shown.length) shown.push(`… and ${told.length - shown.length} more lines`);
  const hint = hintFor(lines.join('\n'));
  return new LambentError(
    'E_BUILD_FAILED',
    shown.length === 0 ? `${place.entry}: ${thrown.message}` : shown.join('\n'),
    {
      ...(hint === undefined ? {} : { hint }),
      details: { entry: place.entry, ...first },
    },
  );
}

function hintFor(text: string): string | undefined {
  for (const [pattern, hint] of HINTS) {
    const match = pattern.exec(text);
    if (match !== null) return hint(match);
  }
  return undefined;
}

/** A path as the author knows it; of a module in Go's cache, the part that names it. */
function shownPath(absolute: string, { appFolder }: GoBuildPlace): string {
  if (isBelow(appFolder, absolute)) return relative(appFolder, absolute);
  const cached = absolute.lastIndexOf('/pkg/mod/');
  return cached >= 0 ? absolute.slice(cached + '/pkg/mod/'.length) : basename(absolute);
}
