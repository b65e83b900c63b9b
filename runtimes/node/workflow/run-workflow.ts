import type { WorkflowHandler } from '../../../sdk/node/workflow.ts';
import type { Failure, JournalEntry, Payload } from '../../../src/model/journal.ts';
import { Mailbox } from './mailbox.ts';
import type { OpenedExecution } from './run-messages.ts';
import { ContinueAsNew, RunContext } from './workflow-context.ts';
import { failureOfThrown, toAnswer, toPayload } from './workflow-errors.ts';
import { type RunHost, WorkflowRun } from './workflow-run.ts';

export type AnyWorkflowHandler = WorkflowHandler<never, unknown>;

/** A workflow's function under way. */
export interface RunningWorkflow {
  readonly run: WorkflowRun;
  query(
    name: string,
    input: unknown,
  ): Promise<{ output: Payload } | { error: ReturnType<typeof failureOfThrown> }>;
}

/** Runs a workflow's function over its journal, to its end or until it is dropped. */
export function runWorkflow(
  handler: AnyWorkflowHandler,
  execution: OpenedExecution,
  history: readonly JournalEntry[],
  host: RunHost,
  callbackUrl: string,
): RunningWorkflow {
  const run = new WorkflowRun(execution, host);
  const mailbox = new Mailbox(run);
  const ctx = new RunContext(run, mailbox, callbackUrl);
  run.start(history, async (input) => {
    try {
      const output = await (handler as WorkflowHandler<unknown, unknown>)(ctx, input);
      run.end({
        status: 'succeeded',
        output: toPayload(output, `the result of workflow ${execution.workflow}`),
      });
    } catch (thrown) {
      await endUnwell(run, ctx, thrown);
    }
  });
  return {
    run,
    async query(name, input) {
      await run.replayed();
      if (run.divergence !== undefined) return { error: run.divergence.failure };
      try {
        return { output: toAnswer(await mailbox.answer(name, input), `the answer to query ${name}`) };
      } catch (thrown) {
        return { error: failureOfThrown(thrown) };
      }
    },
  };
}

async function endUnwell(run: WorkflowRun, ctx: RunContext, thrown: unknown): Promise<void> {
  if (thrown instanceof ContinueAsNew) {
    run.end({ status: 'continued', execution: '', input: thrown.input });
    return;
  }
  const error = run.isOutside ? unrecorded(failureOfThrown(thrown)) : failureOfThrown(thrown);
  const cancelled = run.cancel.signal.aborted && error.code === 'E_EXECUTION_CANCELLED';
  try {
    await compensateAll(ctx);
  } catch (failed) {
    const reason = failureOfThrown(failed);
    const message = `${error.errorMessage}; and its compensation failed: ${reason.errorMessage}`;
    run.end({ status: 'failed', error: { ...error, errorMessage: message } });
    return;
  }
  run.end(cancelled ? { status: 'cancelled', error } : { status: 'failed', error });
}

/** What failed is nothing of the workflow's own: the author is told first that it does not belong there. */
function unrecorded(failure: Failure): Failure {
  const { code, errorType, errorMessage } = failure;
  if (code === 'E_NON_DETERMINISTIC') return failure;
  return {
    ...failure,
    code: 'E_NON_DETERMINISTIC',
    errorType: 'E_NON_DETERMINISTIC',
    errorMessage: `the code waited for something that is not recorded: a timer, a network call, a file. Put that into a step, so that a replay sees the same. It failed with ${errorType}: ${errorMessage}`,
  };
}

/** Undoes what was done, the last first. */
async function compensateAll(ctx: RunContext): Promise<void> {
  for (const { name, undo, options, at } of ctx.compensations.splice(0).reverse())
    await ctx.step(`compensate ${name}`.slice(0, 256), undo, options, at);
}
