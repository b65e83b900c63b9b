/** A finding of `lambent doctor`: a language is ready, or what is missing and the one command that brings it. */
export interface LanguageFinding {
  /** `language python`. */
  readonly name: string;
  readonly status: 'ok' | 'warn';
  readonly text: string;
  readonly fix?: string;
}

/** What a language says of this machine, by its name in the doctor's list. */
export interface LanguageLook {
  readonly name: string;
  run(): Promise<LanguageFinding>;
}

/** One for each language whose toolchain a machine may lack. Node.js comes with the platform. */
export const LANGUAGE_LOOKS: readonly LanguageLook[] = [];
