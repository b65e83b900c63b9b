import type { LambentError } from '../base/errors.ts';

/**
 * Deploys again whenever it is called, one after another: calls during a deploy lead to one more after it. Where that
 * one fails as the one before did, nobody is told twice: one save may be several changes to the folder.
 *
 * `deployOnce` resolves with the error of a deploy that failed, and never rejects.
 */
export function createRedeploy(
  deployOnce: () => Promise<LambentError | undefined>,
  onFailure: (error: LambentError) => void,
): () => Promise<void> {
  let running = false;
  let again = false;
  return async () => {
    again = true;
    if (running) return;
    running = true;
    let told: string | undefined;
    while (again) {
      again = false;
      const error = await deployOnce();
      if (error !== undefined && error.message !== told) onFailure(error);
      told = error?.message;
    }
    running = false;
  };
}
