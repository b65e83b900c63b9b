import { useInfiniteQuery } from '@tanstack/react-query';
import type { Answers, InvocationRecord } from '../answers.ts';
import { type ApiError, get, queryOf } from '../api.ts';
import { Badge } from '../parts/badge.tsx';
import { ErrorView } from '../parts/error-view.tsx';
import { Choice, FunctionChoice } from '../parts/filters.tsx';
import { CallTree } from '../parts/call-tree.tsx';
import { InvocationRows } from '../parts/invocation-rows.tsx';
import { LogView } from '../parts/log-view.tsx';
import { Empty, Facts, Loaded, Problem } from '../parts/panel.tsx';
import { Payloads } from '../parts/payloads.tsx';
import { Replay } from '../parts/replay.tsx';
import { useLive } from '../query-client.ts';
import { Link, pathOf, setQuery, useRoute } from '../route.tsx';
import { count, dateAndClock, exact } from '../show.ts';

const STATUSES = ['ok', 'error', 'timeout', 'crashed', 'throttled', 'refused', 'cancelled'];
const TRIGGERS = ['http', 'invoke', 'async', 'websocket', 'event'];
const RUN_TIMES = [
  ['10', 'over 10 ms'],
  ['100', 'over 100 ms'],
  ['1000', 'over 1 s'],
  ['10000', 'over 10 s'],
] as const;
const PAGE = 200;
const SINCE: Readonly<Record<string, number>> = {
  '15 minutes': 900_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 604_800_000,
};

export function Invocations() {
  const id = useRoute().parts[1];
  return id === undefined ? <InvocationList /> : <InvocationDetail id={id} />;
}

function InvocationList() {
  const { query } = useRoute();
  const { app, function: name, status, trigger, text, minMs, since } = query;
  const filter = { app, function: name, status, trigger, text, minMs };
  const pages = useInfiniteQuery<Answers['listInvocations'], ApiError>({
    queryKey: ['/invocations', filter, since],
    initialPageParam: undefined,
    queryFn: ({ pageParam, signal }) => {
      const from = since === undefined ? undefined : Date.now() - (SINCE[since] ?? 0);
      return get<'listInvocations'>(
        `/invocations${queryOf({ ...filter, from, limit: PAGE, cursor: pageParam as string | undefined })}`,
        signal,
      );
    },
    getNextPageParam: (last) => last.next,
    placeholderData: (before) => before,
  });
  const items = pages.data?.pages.flatMap((page) => page.items);
  return (
    <>
      <div className="head">
        <h1>Invocations</h1>
        {(pages.data?.pages.length ?? 0) > 1 ? (
          <span className="badge warn">{count(items?.length ?? 0)} loaded, as of when they were</span>
        ) : null}
      </div>
      <Filters />
      <section className="panel">
        <Loaded
          query={{ data: items && { items }, error: pages.error }}
          empty={
            Object.values({ ...filter, since }).some(Boolean) ? (
              <Empty title="No invocation fits">Change the filter, or call something.</Empty>
            ) : (
              <Empty title="Nothing was called yet" run={`curl ${location.origin}/`}>
                Each call of a function is listed here as it ends.
              </Empty>
            )
          }
        >
          {(found) => (
            <InvocationRows
              items={found}
              onEnd={() => pages.hasNextPage && !pages.isFetching && void pages.fetchNextPage()}
            />
          )}
        </Loaded>
      </section>
    </>
  );
}

function Filters() {
  const { query } = useRoute();
  return (
    <div className="filters">
      <input
        type="search"
        className="field"
        aria-label="Search in calls and errors"
        placeholder="Search in calls and errors"
        value={query.text ?? ''}
        onChange={(event) => setQuery({ text: event.target.value })}
      />
      <Choice label="Outcome" name="status" any="every outcome" values={STATUSES} />
      <Choice label="Started by" name="trigger" any="started by anything" values={TRIGGERS} />
      <FunctionChoice label="Function" name="function" any="every function" fits={() => true} />
      <Choice label="Run time" name="minMs" any="any run time" values={RUN_TIMES} />
      <Choice
        label="Time"
        name="since"
        any="any time"
        values={Object.keys(SINCE).map((each) => [each, `last ${each}`] as const)}
      />
    </div>
  );
}

function InvocationDetail({ id }: { id: string }) {
  const found = useLive<'getInvocation'>(pathOf('invocations', id), { once: true });
  const call = found.data;
  // Both may grow for a while: what the call led to goes on after it.
  const trace = useLive<'listTraceCalls'>(call && `${pathOf('invocations', id)}/calls`).data;
  const payloads = useLive<'getPayloads'>(call && `${pathOf('invocations', id)}/payloads`, { once: true });
  return (
    <>
      <div>
        <div className="crumb">
          <Link to="/invocations">Invocations</Link> / <span className="mono">{id}</span>
        </div>
        <div className="head">
          <h1>{call === undefined ? 'Invocation' : titleOf(call)}</h1>
          {call === undefined ? null : (
            <Badge
              status={call.status}
              text={call.httpStatus === 0 ? call.status : `${call.httpStatus} ${call.status}`}
            />
          )}
          {call?.cold === true ? <span className="badge info">cold</span> : null}
        </div>
      </div>
      <Problem error={found.error} />
      {call === undefined ? null : (
        <>
          <section className="panel">
            <div className="pad">
              <CallFacts call={call} />
            </div>
          </section>
          {call.error === undefined ? null : (
            <section aria-label="Error">
              <ErrorView error={call.error} />
            </section>
          )}
          <CallTree call={call} trace={trace} />
          <div className="grid">{payloads.data && <Payloads payloads={payloads.data} />}</div>
          <LogView filter={{ invocation: id }} live={false} />
          {payloads.data && <Replay key={id} made={call} input={payloads.data.input} />}
        </>
      )}
    </>
  );
}

/** The function, and what was asked of it where that says more. */
const titleOf = (call: InvocationRecord): string => (call.summary === '' ? call.function : `${call.summary}`);

function CallFacts({ call }: { call: InvocationRecord }) {
  return (
    <Facts
      wide
      facts={[
        [
          'Function',
          <Link key="function" className="link" to={pathOf('functions', call.app, call.function)}>
            {call.app} {call.function}
          </Link>,
        ],
        [
          'Arrived',
          <span key="arrived" title={exact(call.arrivedMs)}>
            {dateAndClock(call.arrivedMs)}
          </span>,
        ],
        ['Started by', call.attempt > 1 ? `${call.trigger}, attempt ${call.attempt}` : call.trigger],
        ['Deployment', `d${call.deployment}`],
        ['Billed', `${call.billedMs} ms`],
        ['Peak memory', `${Math.round(call.memoryPeakMb)} of ${call.memoryMb} MB`],
        call.instance === undefined
          ? undefined
          : [
              'Instance',
              <code key="instance" title={call.instance}>
                …{call.instance.slice(-12)}
              </code>,
            ],
        call.callerRequestId === undefined
          ? undefined
          : ["Caller's request id", <code key="request">{call.callerRequestId}</code>],
      ]}
    />
  );
}
