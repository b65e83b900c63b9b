import { lookForGo } from './go/go-toolchain.ts';
import type { LanguageFinding } from './language-finding.ts';
import { lookForPython } from './python/find-python.ts';

/** What a language says of this machine, by its name in the doctor's list. */
export interface LanguageLook {
  readonly name: string;
  run(): Promise<LanguageFinding>;
}

/** One for each language whose toolchain a machine may lack. Node.js comes with the platform. */
export const LANGUAGE_LOOKS: readonly LanguageLook[] = [
  { name: 'language python', run: lookForPython },
  { name: 'language go', run: lookForGo },
];
