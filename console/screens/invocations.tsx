import { useInfiniteQuery } from '@tanstack/react-query';
import type { Invocation, Paged } from '../answers.ts';
import { type ApiError, get, queryOf } from '../api.ts';
import { Badge } from '../parts/badge.tsx';
import { ErrorView } from '../parts/error-view.tsx';
import { Choice, FunctionChoice } from '../parts/filters.tsx';
import { callOf, InvocationRows, totalUs } from '../parts/invocation-rows.tsx';
import { LogView } from '../parts/log-view.tsx';
import { Empty, Facts, Loaded, Panel, Problem } from '../parts/panel.tsx';
import { TestPanel } from '../parts/test-panel.tsx';
import { useLive } from '../query-client.ts';
import { Link, pathOf, setQuery, useRoute } from '../route.tsx';
import { count, dateAndClock, duration, exact } from '../show.ts';

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
  const pages = useInfiniteQuery<Paged<Invocation>, ApiError>({
    queryKey: ['/invocations', filter, since],
    initialPageParam: undefined,
    queryFn: ({ pageParam, signal }) => {
      const from = since === undefined ? undefined : Date.now() - (SINCE[since] ?? 0);
      return get(
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
            <Empty title="No invocation fits" run={`curl ${location.origin}/`}>
              Change the filter, or call something.
            </Empty>
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
  const found = useLive<Invocation>(pathOf('invocations', id), { once: true });
  const call = found.data;
  return (
    <>
      <div>
        <div className="crumb">
          <Link to="/invocations">Invocations</Link> / <span className="mono">{id}</span>
        </div>
        <div className="head">
          <h1>{call === undefined ? 'Invocation' : callOf(call)}</h1>
          {call === undefined ? null : <Badge status={call.status} />}
          {call === undefined || call.httpStatus === 0 ? null : (
            <span className="badge">{call.httpStatus}</span>
          )}
        </div>
      </div>
      <Problem error={found.error} />
      {call === undefined ? null : (
        <>
          <div className="grid">
            <Panel
              className="two-thirds"
              title="Where the time went"
              more={<span className="soft">{duration(totalUs(call))} in all</span>}
            >
              <div className="pad">
                <Waterfall call={call} />
              </div>
            </Panel>
            <Panel className="third" title="Facts">
              <div className="pad">
                <CallFacts call={call} />
              </div>
            </Panel>
            {call.error === undefined ? null : (
              <Panel title="Error">
                <div className="pad">
                  <ErrorView error={call.error} />
                </div>
              </Panel>
            )}
          </div>
          <LogView filter={{ invocation: id }} live={false} />
          <Replay call={call} />
        </>
      )}
    </>
  );
}

function Waterfall({ call }: { call: Invocation }) {
  const whole = Math.max(1, totalUs(call));
  const lanes = [
    { name: 'Queue', us: call.queueUs, fromUs: 0, look: 'fill-mark', text: 'waited for a place' },
    {
      name: call.cold ? 'Cold start' : 'Start',
      us: call.startUs,
      fromUs: call.queueUs,
      look: 'fill-cold',
      text: 'started a process and loaded the code',
    },
    {
      name: 'Run',
      us: call.runUs,
      fromUs: call.queueUs + call.startUs,
      look: call.status === 'ok' ? 'fill-ok' : 'fill-bad',
      text: 'the function at work',
    },
  ];
  return (
    <div className="waterfall">
      {lanes.map(({ name, us, fromUs, look, text }) => (
        <div className="lane" key={name}>
          <span title={text}>{name}</span>
          <span className="track">
            <svg
              viewBox="0 0 1000 10"
              preserveAspectRatio="none"
              role="img"
              aria-label={`${name}: ${duration(us)}`}
            >
              <rect
                className={look}
                x={(fromUs / whole) * 1000}
                width={us === 0 ? 0 : Math.max(3, (us / whole) * 1000)}
                height="10"
              />
            </svg>
          </span>
          <span className="num">{duration(us)}</span>
        </div>
      ))}
    </div>
  );
}

function CallFacts({ call }: { call: Invocation }) {
  return (
    <Facts
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
        ['Trigger', call.trigger],
        ['Deployment', `d${call.deployment}`],
        ['Billed', `${call.billedMs} ms`],
        ['Memory', `${Math.round(call.memoryPeakMb)} of ${call.memoryMb} MB`],
        call.instance === undefined ? undefined : ['Instance', <code key="instance">{call.instance}</code>],
        call.callerRequestId === undefined
          ? undefined
          : ["Caller's request id", <code key="request">{call.callerRequestId}</code>],
        call.attempt === 0 ? undefined : ['Attempt', String(call.attempt)],
      ]}
    />
  );
}

/** What went in is not kept with the record, so a call is made again with an event that is edited here. */
function Replay({ call }: { call: Invocation }) {
  return (
    <details>
      <summary className="btn">Call it again with an edited event</summary>
      <p className="soft">
        Inputs are not kept in the history. The event below is the last one that this browser sent to{' '}
        {call.function}.
      </p>
      <TestPanel view={{ app: call.app, name: call.function }} />
    </details>
  );
}
