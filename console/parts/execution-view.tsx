import { useInfiniteQuery } from '@tanstack/react-query';
import { lazy, Suspense, useEffect, useMemo, useState } from 'react';
import type { Answers, Execution, HistoryEntry, LargePayload } from '../answers.ts';
import { type ApiError, call, get, queryOf } from '../api.ts';
import { useLive } from '../query-client.ts';
import { Link, pathOf, useRoute } from '../route.tsx';
import { count, dateAndClock, elapsed, exact } from '../show.ts';
import { ActButton } from './ask.tsx';
import { Badge } from './badge.tsx';
import { HappeningView, HistoryTable } from './history-table.tsx';
import { Json } from './json.tsx';
import { LogView } from './log-view.tsx';
import { Empty, Facts, Panel, Problem } from './panel.tsx';
import { SendSignal } from './steer-execution.tsx';
import { goToNext, retry, StepView } from './step-view.tsx';
import { Tabs } from './tabs.tsx';
import { Timeline } from './timeline.tsx';
import { Value } from './value.tsx';
import { CheckReplay, MermaidText } from './workflow-checks.tsx';

const ExecutionGraph = lazy(async () => ({
  default: (await import('./execution-graph.tsx')).ExecutionGraph,
}));

/** Steps of one read; the next are read as one scrolls. */
const STEPS_PAGE = 1_000;
const GOES_ON = new Set(['queued', 'ready', 'running', 'waiting']);

/** One execution: its steps over time or as a graph, its history, its lines; beside them the step that is chosen. */
export function ExecutionView({ id }: { id: string }) {
  const { query } = useRoute();
  const found = useLive<'getExecution'>(pathOf('executions', id));
  const execution = found.data;
  const tab = query.tab ?? '';
  return (
    <>
      <div>
        <div className="crumb">
          <Link to="/executions">Executions</Link> / <span className="mono">{id}</span>
        </div>
        <div className="head">
          <h1>{execution?.workflow ?? 'Execution'}</h1>
          {execution === undefined ? null : <Badge status={execution.status} />}
          <span className="grow" />
          {execution === undefined ? null : <ExecutionChecks execution={execution} />}
          {execution === undefined ? null : <ExecutionActs execution={execution} />}
        </div>
      </div>
      <Problem error={found.error} />
      <Tabs
        present={tab}
        tabs={[
          ['', 'Timeline'],
          ['graph', 'Graph'],
          ['history', `History ${count(execution?.entries ?? 0)}`],
          ...(execution?.kind === 'asl' ? [['definition', 'Definition'] as const] : []),
          ['logs', 'Logs'],
        ]}
      />
      {execution === undefined ? null : <ExecutionParts execution={execution} tab={tab} />}
    </>
  );
}

/** What can be asked and changes nothing. State machines of the AWS API are of no app, whose code could be asked. */
function ExecutionChecks({ execution: { id, app, workflow, kind } }: { execution: Execution }) {
  if (app.startsWith('$')) return null;
  return (
    <>
      <MermaidText app={app} workflow={workflow} />
      {kind === 'code' ? <CheckReplay {...{ id, app, workflow }} /> : null}
    </>
  );
}

function ExecutionActs({ execution }: { execution: Execution }) {
  const { id, status, app, kind } = execution;
  if (GOES_ON.has(status))
    return (
      <>
        <SendSignal id={id} />
        <ActButton
          danger
          text="Cancel"
          done="It was asked to end."
          ask={<p>Asks the execution to end; its code may still tidy up. Steps that were done stay done.</p>}
          act={() => call('POST', pathOf('executions', id, 'cancel'))}
        />
      </>
    );
  // State machines of the AWS API are started and redriven there, under the names they have there.
  if (app.startsWith('$')) return null;
  return (
    <>
      {status === 'succeeded' || status === 'continued' ? null : (
        <ActButton
          main
          text="Go on from what failed"
          done="Another execution goes on."
          ask={
            <p>
              Another execution begins with the results that this one had.{' '}
              {kind === 'asl'
                ? 'All states that had not succeeded run again, as the definition that it began with.'
                : 'What failed and what follows run again, on the version that is live now. What was undone stays undone.'}
            </p>
          }
          act={async () => goToNext(await retry(id, 'failed'))}
        />
      )}
      <ActButton
        text="Start again"
        done="It was started again."
        ask={<p>Starts anew with the same input, on the version that is live now.</p>}
        act={async () => goToNext(await retry(id))}
      />
    </>
  );
}

function ExecutionParts({ execution, tab }: { execution: Execution; tab: string }) {
  const { id, status } = execution;
  const { query } = useRoute();
  const goesOn = GOES_ON.has(status);
  const chosen = query.step === undefined ? undefined : Number(query.step);
  const isChosen = tab === 'history' ? query.entry !== undefined : chosen !== undefined;
  if (tab === 'logs') return <LogView filter={{ invocation: id }} live={goesOn} />;
  if (tab === 'definition') return <Definition id={id} />;
  return (
    <div className="grid">
      <Panel
        className="two-thirds"
        title={tab === 'history' ? 'History' : tab === 'graph' ? 'Graph' : 'Timeline'}
      >
        {tab === 'history' ? (
          <HistoryTable execution={execution} chosen={query.entry} />
        ) : tab === 'graph' ? (
          <Suspense fallback={<p className="pad soft">Loading…</p>}>
            <ExecutionGraph execution={execution} chosen={chosen} />
          </Suspense>
        ) : (
          <Steps execution={execution} chosen={chosen} goesOn={goesOn} />
        )}
      </Panel>
      <Panel
        className="third stays"
        title={isChosen ? (tab === 'history' ? 'Entry' : 'Step') : 'Execution'}
        more={
          isChosen ? (
            <Link className="link" to={`${pathOf('executions', id)}${tab === '' ? '' : `?tab=${tab}`}`}>
              the execution
            </Link>
          ) : undefined
        }
      >
        <div className="pad">
          {!isChosen ? (
            <ExecutionFacts execution={execution} goesOn={goesOn} />
          ) : tab === 'history' ? (
            <HappeningView execution={execution} chosen={query.entry!} />
          ) : (
            <StepView execution={execution} step={chosen!} hasEnded={!goesOn} />
          )}
        </div>
      </Panel>
    </div>
  );
}

/** What a state machine runs: to be folded and searched. */
function Definition({ id }: { id: string }) {
  const { data, error } = useLive<'getExecutionDefinition'>(pathOf('executions', id, 'definition'), {
    once: true,
  });
  return (
    <Panel title="Definition">
      <div className="pad">
        {data === undefined ? <Problem error={error} /> : <Json label="Definition" value={data} />}
      </div>
    </Panel>
  );
}

function Steps(props: { execution: Execution; chosen: number | undefined; goesOn: boolean }) {
  const { execution, chosen, goesOn } = props;
  const { id, createdMs, endedMs } = execution;
  const nowMs = useNow(goesOn);
  const pages = useInfiniteQuery<Answers['listExecutionSteps'], ApiError>({
    queryKey: ['/steps', id],
    initialPageParam: 0,
    queryFn: ({ pageParam, signal }) =>
      get<'listExecutionSteps'>(
        `${pathOf('executions', id, 'steps')}${queryOf({ from: pageParam as number, limit: STEPS_PAGE })}`,
        signal,
      ),
    getNextPageParam: (last) => last.next,
  });
  const { data, isFetching, refetch } = pages;
  const steps = useMemo(() => data?.pages.flatMap((page) => page.items) ?? [], [data]);
  // The pages were made of this many entries; there are more by now.
  const isBehind = data?.pages.some((page) => page.entries < execution.entries);
  useEffect(() => {
    if (isBehind && !isFetching) void refetch();
  }, [isBehind, isFetching, refetch]);
  if (pages.error !== null && pages.data === undefined)
    return (
      <div className="pad">
        <Problem error={pages.error} />
      </div>
    );
  if (steps.length === 0)
    return <Empty title={pages.data === undefined ? 'Loading…' : 'Nothing happened yet'} />;
  return (
    <Timeline
      steps={steps}
      fromMs={Math.min(createdMs, steps[0]!.fromMs)}
      toMs={endedMs ?? nowMs}
      chosen={chosen}
      linkOf={(step) => `${pathOf('executions', id)}?step=${step}`}
      onEnd={() => pages.hasNextPage && !pages.isFetching && void pages.fetchNextPage()}
    />
  );
}

/** The present time, a second apart, while it matters. */
function useNow(matters: boolean): number {
  const [nowMs, setNowMs] = useState(Date.now);
  useEffect(() => {
    if (!matters) return undefined;
    const timer = setInterval(() => setNowMs(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [matters]);
  return nowMs;
}

function ExecutionFacts({ execution, goesOn }: { execution: Execution; goesOn: boolean }) {
  const { id, app, kind, deployment, createdMs, endedMs, dueMs, parent } = execution;
  const begin = useLive<'getExecutionHistory'>(`${pathOf('executions', id, 'history')}?limit=1`, {
    once: true,
  }).data?.items[0];
  const outcome = useLive<'getExecutionResult'>(goesOn ? undefined : pathOf('executions', id, 'result'), {
    once: true,
  }).data;
  return (
    <div className="beside">
      <Facts
        facts={[
          ['App', app],
          ['Kind', kind === 'asl' ? 'state machine' : 'code'],
          ['Deployment', `d${deployment}`],
          [
            'Began',
            <span key="began" title={exact(createdMs)}>
              {dateAndClock(createdMs)}
            </span>,
          ],
          endedMs === undefined ? undefined : ['Took', elapsed(endedMs - createdMs)],
          dueMs === undefined ? undefined : ['Goes on', dateAndClock(dueMs)],
          parent === undefined
            ? undefined
            : [
                'Parent',
                <Link key="parent" className="link mono" to={pathOf('executions', parent.execution)}>
                  {parent.execution}
                </Link>,
              ],
          [
            'Children',
            <Link key="children" className="link" to={`/executions?parent=${id}`}>
              list
            </Link>,
          ],
        ]}
      />
      {outcome?.error === undefined ? null : (
        <div className="note bad">
          <strong>{outcome.error.errorType}</strong>
          <p style={{ overflowWrap: 'anywhere' }}>{outcome.error.errorMessage}</p>
          <code className="soft">{outcome.error.code}</code>
        </div>
      )}
      <Value execution={id} title="Input" {...shownOf(begin)} />
      {outcome?.status !== 'succeeded' ? null : (
        <Value execution={id} title="Output" value={outcome.output} large={outcome.largeOutput} />
      )}
    </div>
  );
}

function shownOf(begin: HistoryEntry | undefined): { value: unknown; large: LargePayload | undefined } {
  if (begin?.kind !== 'started') return { value: undefined, large: undefined };
  const { input } = begin;
  return 'blob' in input ? { value: undefined, large: input } : { value: input.json, large: undefined };
}
