import { useInfiniteQuery } from '@tanstack/react-query';
import { lazy, Suspense } from 'react';
import type { Execution, HistoryEntry, List, Paged } from '../answers.ts';
import { ApiError, call, get, queryOf } from '../api.ts';
import { ActButton } from '../parts/ask.tsx';
import { Badge } from '../parts/badge.tsx';
import { Json } from '../parts/json.tsx';
import { Empty, Facts, Loaded, Panel, Problem } from '../parts/panel.tsx';
import { Scroll } from '../parts/scroll.tsx';
import { AnswerCallback, SendSignal } from '../parts/steer-execution.tsx';
import { Tabs } from '../parts/tabs.tsx';
import { VirtualList } from '../parts/virtual-list.tsx';
import { useLive } from '../query-client.ts';
import { go, Link, pathOf, setQuery, useRoute } from '../route.tsx';
import { clock, count, dateAndClock, duration, exact } from '../show.ts';

const ExecutionGraph = lazy(async () => ({
  default: (await import('../parts/execution-graph.tsx')).ExecutionGraph,
}));

const STATUSES = [
  'queued',
  'ready',
  'running',
  'waiting',
  'succeeded',
  'failed',
  'cancelled',
  'timedOut',
  'continued',
];
const GOES_ON = new Set(['queued', 'ready', 'running', 'waiting']);

export function Executions() {
  const id = useRoute().parts[1];
  return id === undefined ? <ExecutionList /> : <ExecutionView id={id} />;
}

function ExecutionList() {
  const { query } = useRoute();
  const { status, app, workflow } = query;
  const found = useLive<List<Execution>>(`/executions${queryOf({ status, app, workflow, limit: 500 })}`);
  const isAbsent = found.error instanceof ApiError && found.error.status === 404;
  return (
    <>
      <div className="head">
        <h1>Executions</h1>
        <span className="grow" />
        <AnswerCallback />
      </div>
      <div className="filters">
        <input
          type="search"
          className="field"
          aria-label="Exact workflow"
          placeholder="Exact workflow"
          value={workflow ?? ''}
          onChange={(event) => setQuery({ workflow: event.target.value })}
        />
        <select
          className="field"
          aria-label="Status"
          value={status ?? ''}
          onChange={(event) => setQuery({ status: event.target.value })}
        >
          <option value="">every status</option>
          {STATUSES.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </div>
      <section className="panel">
        {isAbsent ? (
          <Empty title="This server's API has no executions">
            State machines are reached by the Step Functions API meanwhile.
          </Empty>
        ) : (
          <Loaded
            query={found}
            empty={<Empty title="No executions">A workflow's runs are listed here as they begin.</Empty>}
          >
            {(items) => <ExecutionTable items={items} />}
          </Loaded>
        )}
      </section>
    </>
  );
}

function ExecutionTable({ items }: { items: readonly Execution[] }) {
  return (
    <Scroll>
      <table>
        <thead>
          <tr>
            <th>Status</th>
            <th>Workflow</th>
            <th>Began</th>
            <th className="num">Took</th>
            <th className="num">Entries</th>
            <th>Id</th>
          </tr>
        </thead>
        <tbody>
          {items.map((each) => (
            <tr key={each.id} className="go" onClick={() => go(pathOf('executions', each.id))}>
              <td>
                <Badge status={each.status} />
              </td>
              <td>
                <Link to={pathOf('executions', each.id)}>
                  <strong>{each.workflow}</strong>
                </Link>{' '}
                <span className="soft">{each.app}</span>
              </td>
              <td className="nowrap soft" title={exact(each.createdMs)}>
                {dateAndClock(each.createdMs)}
              </td>
              <td className="num">{duration(((each.endedMs ?? Date.now()) - each.createdMs) * 1_000)}</td>
              <td className="num">{count(each.entries)}</td>
              <td className="mono soft nowrap">{each.id}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function ExecutionView({ id }: { id: string }) {
  const { query } = useRoute();
  const found = useLive<Execution>(pathOf('executions', id));
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
          {execution === undefined ? null : <ExecutionActs execution={execution} />}
        </div>
      </div>
      <Problem error={found.error} />
      <Tabs
        present={tab}
        tabs={[
          ['', 'Graph'],
          ['history', `History ${count(execution?.entries ?? 0)}`],
        ]}
      />
      {execution === undefined ? null : <ExecutionParts execution={execution} tab={tab} />}
    </>
  );
}

function ExecutionActs({ execution: { id, status } }: { execution: Execution }) {
  if (!GOES_ON.has(status)) {
    return (
      <ActButton
        main
        text="Start again"
        done="It was started again."
        ask={<p>Starts anew with the same input, on the version that is live now.</p>}
        act={async () =>
          go(pathOf('executions', (await call<{ id: string }>('POST', pathOf('executions', id, 'retry'))).id))
        }
      />
    );
  }
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
}

function ExecutionParts({ execution, tab }: { execution: Execution; tab: string }) {
  const { id, status } = execution;
  const history = useHistory(id, GOES_ON.has(status));
  const entries = history.data?.pages.flatMap((page) => page.items) ?? [];
  const end = entries.findLast((entry) => entry.kind === 'ended');
  const begin = entries[0];
  return (
    <div className="grid">
      {tab === 'history' ? (
        <Panel title="History">
          <VirtualList
            label="History"
            columns="cols-history"
            heads={['Entry', 'Time', 'What', 'Details']}
            items={entries.map((entry, at) => ({ entry, at }))}
            onEnd={() => history.hasNextPage && !history.isFetching && void history.fetchNextPage()}
            row={({ entry, at }) => ({
              key: at,
              cells: [
                <span key="at" className="soft">
                  {at}
                </span>,
                entry.atMs === undefined ? (
                  ''
                ) : (
                  <span key="time" className="soft" title={exact(entry.atMs)}>
                    {clock(entry.atMs)}
                  </span>
                ),
                <Badge key="kind" status={entry.kind} />,
                <span key="details" className="mono" title={detailsOf(entry)}>
                  {detailsOf(entry)}
                </span>,
              ],
            })}
          />
        </Panel>
      ) : (
        <Panel
          className="two-thirds"
          title="Graph"
          more={<span className="soft">from {count(entries.length)} entries</span>}
        >
          <Suspense fallback={<p className="pad soft">Loading…</p>}>
            <ExecutionGraph entries={entries} />
          </Suspense>
        </Panel>
      )}
      <Panel className={tab === 'history' ? '' : 'third'} title="Facts">
        <div className="pad" style={{ display: 'grid', gap: 14 }}>
          <Facts
            facts={[
              ['App', execution.app],
              ['Kind', execution.kind],
              ['Deployment', `d${execution.deployment}`],
              ['Began', dateAndClock(execution.createdMs)],
              execution.endedMs === undefined
                ? undefined
                : ['Took', duration((execution.endedMs - execution.createdMs) * 1_000)],
              execution.dueMs === undefined ? undefined : ['Goes on', dateAndClock(execution.dueMs)],
            ]}
          />
          {begin?.input === undefined ? null : <Json label="Input" value={payloadOf(begin.input)} />}
          {end === undefined ? null : <Json label="Outcome" value={end.outcome} />}
        </div>
      </Panel>
    </div>
  );
}

/** Entries of one read; 25,000 of them are 25 reads, made as one scrolls. */
const HISTORY_PAGE = 1_000;

function useHistory(id: string, goesOn: boolean) {
  return useInfiniteQuery<Paged<HistoryEntry, number>, ApiError>({
    queryKey: ['/history', id],
    initialPageParam: 0,
    queryFn: ({ pageParam, signal }) =>
      get(
        `${pathOf('executions', id, 'history')}${queryOf({ from: pageParam as number, limit: HISTORY_PAGE })}`,
        signal,
      ),
    getNextPageParam: (last) => last.next,
    refetchInterval: ({ state }) => (goesOn && (state.data?.pages.length ?? 0) <= 1 ? 1_500 : false),
  });
}

function payloadOf(payload: unknown): unknown {
  return typeof payload === 'object' && payload !== null && 'json' in payload ? payload.json : payload;
}

function detailsOf({ kind: _kind, atMs: _atMs, ...rest }: HistoryEntry): string {
  return JSON.stringify(rest);
}
