import type { Clock } from '../base/clock.ts';
import { LambentError } from '../base/errors.ts';
import type { ExecutionId } from '../base/ids.ts';
import type { JournalStore } from '../ports/journal-store.ts';
import type { WorkflowCatalog } from '../ports/workflow-catalog.ts';
import type { ProgramAct, WorkflowProgram } from '../ports/workflow-program.ts';
import type { Replay } from '../ports/workflows.ts';
import { readHistory } from './query-history.ts';

/** How long the code may take, the start of its instance included. */
const REPLAY_MS_MAX = 60_000;

export interface ReplayOptions {
  readonly store: JournalStore;
  readonly catalog: WorkflowCatalog;
  readonly clock: Clock;
  readonly code: WorkflowProgram | undefined;
}

/**
 * Holds what an execution recorded against the code that is live now. Nothing of what the code would do next is
 * recorded or carried out, so that nothing follows from it.
 */
export function createReplay({ store, catalog, clock, code }: ReplayOptions) {
  return async (id: ExecutionId): Promise<Replay> => {
    const record = await store.find(id);
    if (record === undefined) throw new LambentError('E_NOT_FOUND', `there is no execution ${id}`);
    if (record.kind !== 'code' || code === undefined)
      throw new LambentError('E_BAD_REQUEST', `execution ${id} is of a state machine, not of code`, {
        hint: 'Its definition cannot differ: it keeps the one that it began with.',
      });
    const target = catalog.live(record.app, record.workflow);
    if (target === undefined)
      throw new LambentError(
        'E_NOT_FOUND',
        `app ${record.app} has no live workflow named ${record.workflow}`,
      );
    const { version, deployment } = target;
    // Without its end, so that the code says its own.
    const history = (await readHistory(store, id)).filter(({ kind }) => kind !== 'ended');
    const acts = await new Promise<readonly ProgramAct[]>((resolve, reject) => {
      const late = new LambentError(
        'E_TIMEOUT',
        `execution ${id} was not replayed within ${REPLAY_MS_MAX} ms`,
      );
      const timer = clock.after(REPLAY_MS_MAX, () => reject(late));
      const session = code.open({ ...record, ...target }, history, {
        submit(submission) {
          timer.cancel();
          session.close();
          resolve(submission.acts);
        },
        lost(error) {
          timer.cancel();
          resolve([{ kind: 'end', outcome: { status: 'failed', error } }]);
        },
      });
    });
    const end = acts.find((act) => act.kind === 'end');
    const error = end !== undefined && 'error' in end.outcome ? end.outcome.error : undefined;
    return error?.code === 'E_NON_DETERMINISTIC'
      ? { id, version, deployment, status: 'differs', error }
      : { id, version, deployment, status: 'same', error: undefined };
  };
}
