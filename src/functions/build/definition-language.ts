import { mkdir, readFile, realpath, stat, writeFile } from 'node:fs/promises';
import { basename, join, sep } from 'node:path';
import { LambentError } from '../../base/errors.ts';
import { createJsonLocator } from '../../model/json-place.ts';
import type { FunctionPlan } from '../../model/manifest.ts';
import type { StateDiagnostic, StateLanguage } from '../../ports/state-language.ts';
import type { BuildOutput } from './build-job.ts';
import type { AppSource, Language, LanguageBuild } from './language.ts';

/** The largest file of a definition, in bytes; a definition's own limit is the language's. */
const FILE_BYTES_MAX = 4 * 1024 * 1024;
/** Faults that one error tells of. */
const FAULTS_SHOWN_MAX = 10;

/** Workflows in Amazon States Language: nothing is built, the definition is checked and kept as it is. */
export class DefinitionLanguage implements Language {
  readonly runtime = 'asl';
  readonly #language: StateLanguage;

  constructor(language: StateLanguage) {
    this.#language = language;
  }

  async begin({ folder, confined }: AppSource): Promise<LanguageBuild> {
    return {
      modulesDir: undefined,
      plan: async (plan) => ({
        pin: 'asl 1',
        packages: undefined,
        cacheKey: '',
        build: (outDir) => this.#check(folder, confined, plan, outDir),
      }),
    };
  }

  async #check(
    folder: string,
    confined: boolean,
    { name, entry }: FunctionPlan,
    outDir: string,
  ): Promise<BuildOutput> {
    const path = await realpath(join(folder, entry));
    if (confined && !path.startsWith(`${folder}${sep}`))
      throw new LambentError('E_INVALID_DEFINITION', `${entry} is a link that leads out of the app`);
    if ((await stat(path)).size > FILE_BYTES_MAX)
      throw new LambentError('E_INVALID_DEFINITION', `${entry} is larger than ${FILE_BYTES_MAX} bytes`);
    const text = await readFile(path, 'utf8');
    const found = this.#language.check(text);
    const faults = found.filter(({ severity }) => severity === 'ERROR');
    if (faults.length > 0) throw invalid(name, entry, text, faults);
    await mkdir(outDir, { recursive: true });
    const kept = basename(entry);
    await writeFile(join(outDir, kept), text);
    const place = createJsonLocator(text);
    const remarks = found.map((each) => `${entry}${placeText(place(each.location))}: ${each.message}`);
    return { entry: kept, inputs: [path], remarks };
  }
}

function invalid(
  name: string,
  entry: string,
  text: string,
  faults: readonly StateDiagnostic[],
): LambentError {
  const locate = createJsonLocator(text);
  const lines = faults.slice(0, FAULTS_SHOWN_MAX).map(({ message, location }) => {
    const pointer = location === '' || location === '/' ? '' : ` (at ${location})`;
    return `${entry}${placeText(locate(location))}: ${message}${pointer}`;
  });
  if (faults.length > lines.length) lines.push(`… and ${faults.length - lines.length} more`);
  return new LambentError('E_INVALID_DEFINITION', `workflow ${name}:\n${lines.join('\n')}`, {
    details: { file: entry, faults: faults.slice(0, FAULTS_SHOWN_MAX) },
  });
}

function placeText(place: { readonly line: number; readonly column: number } | undefined): string {
  return place === undefined ? '' : `:${place.line}:${place.column}`;
}
