import type { AppName, FunctionVersion } from '../model/function.ts';

/** What may be shown of a secret. */
export interface SecretView {
  readonly app: AppName;
  readonly name: string;
  /** Epoch milliseconds. */
  readonly updatedMs: number;
}

/** Values that functions are given under a name and that nobody else gets to see. Each belongs to one app. */
export interface Secrets {
  /** `E_SECRET_INVALID` for a name or value that cannot be one. Durable when it resolves. */
  set(app: AppName, name: string, value: string): Promise<void>;
  /** False when there is none of that name. */
  remove(app: AppName, name: string): Promise<boolean>;
  list(): readonly SecretView[];
  /** `undefined`: there is none of that name. */
  valueOf(app: AppName, name: string): string | undefined;
  /** The names among those of a version that have no value. */
  missing(version: FunctionVersion): readonly string[];
  /** The secrets that a version names, as environment variables. `E_SECRET_MISSING` when one has no value. */
  environmentOf(version: FunctionVersion): Readonly<Record<string, string>>;
  /** The text with `[secret NAME]` in the place of each value of the app's secrets. */
  redact(app: AppName, text: string): string;
  /** Told after a value was set or removed. */
  subscribe(listener: (app: AppName, name: string) => void): () => void;
}
