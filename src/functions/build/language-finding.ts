/** A finding of `lambent doctor`: a language is ready, or what is missing and the one command that brings it. */
export interface LanguageFinding {
  /** `language python`. */
  readonly name: string;
  readonly status: 'ok' | 'warn';
  readonly text: string;
  readonly fix?: string;
}
