import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { RuntimeName } from '../../model/function.ts';
import type { BlobStore } from '../../ports/blob-store.ts';
import type { StateLanguage } from '../../ports/state-language.ts';
import { DefinitionLanguage } from './definition-language.ts';
import { GoLanguage } from './go/go-language.ts';
import type { Language } from './language.ts';
import { NodeLanguage } from './node-language.ts';
import { ProgramLanguage } from './program-language.ts';
import { PythonLanguage } from './python/python-language.ts';

export interface LanguagesOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Where installed packages that versions share are kept. */
  readonly blobs: BlobStore;
  /** For builds and installed packages; each language has folders of its own below. */
  readonly scratchDir: string;
  /** What checks definitions in Amazon States Language. */
  readonly stateLanguage: StateLanguage;
}

/** Every language that functions can be written in, by its name in the manifest. */
export type Languages = Readonly<Record<RuntimeName, Language>>;

export function createLanguages(options: LanguagesOptions): Languages {
  const { clock, log, blobs, scratchDir, stateLanguage } = options;
  const packagesDir = join(scratchDir, 'packages');
  const programsDir = join(scratchDir, 'programs');
  return {
    asl: new DefinitionLanguage(stateLanguage),
    bootstrap: new ProgramLanguage({ runtime: 'bootstrap', clock, packagesDir, workDir: programsDir }),
    command: new ProgramLanguage({ runtime: 'command', clock, packagesDir, workDir: programsDir }),
    node: new NodeLanguage({ clock, log, workDir: join(scratchDir, 'builder'), packagesDir }),
    go: new GoLanguage({ clock, workDir: join(scratchDir, 'go') }),
    python: new PythonLanguage({ clock, blobs, packagesDir: join(scratchDir, 'python-packages') }),
  };
}
