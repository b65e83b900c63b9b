import type { BuildLine, DeployResult } from '../src/ports/deployer.ts';
import { ApiError } from './api.ts';

/** A deployment, with where it answers. */
export interface Deployed extends DeployResult {
  readonly preview: { readonly host: string; readonly url?: string };
}

type Line =
  | { readonly line: BuildLine }
  | { readonly result: Deployed }
  | { readonly error: { readonly code: string; readonly message: string; readonly hint: string } };

/** The answer to a deployment, as it comes: lines of JSON, of the build first, then one that says how it ended. */
export class DeployAnswer {
  lines: readonly BuildLine[] = [];
  #end: Deployed | ApiError | undefined;
  #read = 0;

  /** Takes the answer so far; what was taken before is not read again. */
  take(text: string): void {
    const end = text.lastIndexOf('\n') + 1;
    const whole = text.slice(this.#read, end).split('\n').filter(Boolean);
    this.#read = Math.max(this.#read, end);
    const added: BuildLine[] = [];
    for (const each of whole) {
      const line = JSON.parse(each) as Line;
      if ('line' in line) added.push(line.line);
      else if ('result' in line) this.#end = line.result;
      else this.#end = new ApiError(200, line.error.code, line.error.message, line.error.hint);
    }
    this.lines = [...this.lines, ...added];
  }

  /** Throws what it failed of. */
  result(): Deployed {
    if (this.#end instanceof ApiError) throw this.#end;
    if (this.#end !== undefined) return this.#end;
    throw new ApiError(
      0,
      'E_NO_ANSWER',
      'The server broke off before the deployment was done.',
      'The list below shows whether it was stored; deploying again does no harm.',
    );
  }
}
