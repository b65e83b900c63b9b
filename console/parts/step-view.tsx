import type { Execution, ExecutionStep, StepError } from '../answers.ts';
import { call } from '../api.ts';
import { useLive } from '../query-client.ts';
import { go, Link, pathOf } from '../route.tsx';
import { clock, dateAndClock, elapsed, exact, span } from '../show.ts';
import { ActButton } from './ask.tsx';
import { Badge } from './badge.tsx';
import { Facts, Problem } from './panel.tsx';
import { AnswerStep } from './steer-execution.tsx';
import { Value } from './value.tsx';

/** One step: what went in, what came out, each attempt, and what can be done about it. */
export function StepView(props: { execution: Execution; step: number; hasEnded: boolean }) {
  const { execution, step, hasEnded } = props;
  const found = useLive<'getExecutionStep'>(pathOf('executions', execution.id, 'steps', step), {
    ...{ once: true, version: execution.entries },
  });
  const detail = found.data;
  if (detail === undefined || detail.step !== step)
    return found.error === null ? <p className="soft">Loading…</p> : <Problem error={found.error} />;
  return (
    <div className="beside">
      <div className="row">
        <h2 style={{ overflowWrap: 'anywhere' }}>{detail.name}</h2>
        <Badge status={detail.status} />
      </div>
      <StepActs execution={execution} step={detail} hasEnded={hasEnded} />
      <StepFacts execution={execution} step={detail} />
      {detail.error === undefined ? null : <ErrorNote error={detail.error} />}
      <Attempts step={detail} />
      <Value
        execution={execution.id}
        title="Input"
        label="Input of the step"
        value={detail.input}
        large={detail.largeInput}
      />
      <Value
        execution={execution.id}
        title="Output"
        label="Output of the step"
        value={detail.output}
        large={detail.largeOutput}
      />
    </div>
  );
}

function StepFacts({ execution, step }: { execution: Execution; step: ExecutionStep }) {
  const { kind, at, op, fromMs, toMs, dueMs, name } = step;
  const child = step.execution;
  return (
    <Facts
      facts={[
        ['Kind', op === undefined ? kind : `${kind}, operation ${op}`],
        at === undefined ? undefined : ['Source', <code key="at">{at}</code>],
        [
          'Began',
          <span key="began" title={exact(fromMs)}>
            {dateAndClock(fromMs)}
          </span>,
        ],
        toMs === undefined ? undefined : ['Took', elapsed(toMs - fromMs)],
        dueMs === undefined
          ? undefined
          : [
              kind === 'sleep' || kind === 'step' ? 'Goes on' : 'Until',
              `${dateAndClock(dueMs)}, in ${span(dueMs - Date.now())}`,
            ],
        kind !== 'call'
          ? undefined
          : [
              'Function',
              <Link key="call" className="link" to={pathOf('functions', execution.app, name)}>
                {name}
              </Link>,
            ],
        child === undefined
          ? undefined
          : [
              kind === 'retry' ? 'Taken from' : 'Execution',
              <Link key="child" className="link mono" to={pathOf('executions', child)}>
                {child}
              </Link>,
            ],
      ]}
    />
  );
}

function Attempts({ step: { attempts, attemptCount } }: { step: ExecutionStep }) {
  if (attemptCount < 2) return null;
  const first = attemptCount - attempts.length;
  return (
    <section>
      <h3>
        {attemptCount} attempts{first > 0 ? `, the last ${attempts.length}` : ''}
      </h3>
      <table>
        <tbody>
          {attempts.map(({ fromMs, toMs, error }, at) => (
            <tr key={fromMs}>
              <td className="num">{first + at + 1}</td>
              <td className="nowrap soft" title={exact(fromMs)}>
                {clock(fromMs)}
              </td>
              <td className="wrap">
                {error === undefined ? (
                  toMs === undefined ? (
                    'runs'
                  ) : (
                    'ended'
                  )
                ) : (
                  <span className="bad">{textOf(error)}</span>
                )}
              </td>
              <td className="num">{toMs === undefined ? '' : elapsed(toMs - fromMs)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function ErrorNote({ error }: { error: StepError }) {
  return (
    <div className="note bad">
      <strong>{error.errorType}</strong>
      <p style={{ overflowWrap: 'anywhere' }}>{error.errorMessage}</p>
      <code className="soft">{error.code}</code>
    </div>
  );
}

const textOf = ({ errorType, errorMessage }: StepError): string => `${errorType}: ${errorMessage}`;

function StepActs(props: { execution: Execution; step: ExecutionStep; hasEnded: boolean }) {
  const { execution, step, hasEnded } = props;
  const { id } = execution;
  if (step.kind === 'callback' && step.status === 'waiting' && step.op !== undefined)
    return <AnswerStep id={id} op={step.op} name={step.name} />;
  const isOwn = step.op !== undefined && step.kind !== 'scope' && execution.kind === 'code';
  if (!hasEnded || !isOwn) return null;
  return (
    <div>
      <ActButton
        small
        text="Go on from here"
        done="Another execution goes on from this step."
        ask={
          <>
            <p>
              Another execution begins with the results of all steps before <strong>{step.name}</strong>; this
              step and what follows run again, on the version that is live now.
            </p>
            <p className="soft">
              What was under way when it began runs again as well. What was undone stays undone.
            </p>
          </>
        }
        act={async () => goToNext(await retry(id, step.op))}
      />
    </div>
  );
}

export const retry = (id: string, from?: number | 'failed'): Promise<{ id: string }> =>
  call<'retryExecution'>(
    'POST',
    `${pathOf('executions', id, 'retry')}${from === undefined ? '' : `?from=${from}`}`,
  );

export const goToNext = ({ id }: { id: string }): void => go(pathOf('executions', id));
