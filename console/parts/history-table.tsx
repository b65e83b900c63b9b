import { useInfiniteQuery } from '@tanstack/react-query';
import { useEffect, useMemo } from 'react';
import type { Answers, Execution, HistoryEntry } from '../answers.ts';
import { type ApiError, get, queryOf } from '../api.ts';
import { useLive } from '../query-client.ts';
import { pathOf } from '../route.tsx';
import { clock, exact } from '../show.ts';
import { toneOf } from './badge.tsx';
import { Json } from './json.tsx';
import { Problem } from './panel.tsx';
import { VirtualList } from './virtual-list.tsx';

/** Entries of one read; 25,000 of them are 25 reads, made as one scrolls. */
const PAGE = 1_000;
/** Characters of an entry that a row shows. */
const DETAILS_MAX = 400;

/** Something that happened: an entry of the journal, or one of the events of a state machine, of which an entry has several. */
interface Happening {
  /** `ENTRY` or `ENTRY-EVENT`. */
  readonly key: string;
  readonly number: number;
  readonly kind: string;
  readonly atMs: number | undefined;
  readonly details: unknown;
}

/** All that happened to an execution, in order, read as one scrolls. */
export function HistoryTable(props: { execution: Execution; chosen: string | undefined }) {
  const { id, kind, entries } = props.execution;
  const history = useInfiniteQuery<Answers['getExecutionHistory'], ApiError>({
    queryKey: ['/history', id],
    initialPageParam: 0,
    queryFn: ({ pageParam, signal }) =>
      get<'getExecutionHistory'>(
        `${pathOf('executions', id, 'history')}${queryOf({ from: pageParam as number, limit: PAGE })}`,
        signal,
      ),
    getNextPageParam: (last) => last.next,
  });
  const { data, hasNextPage, isFetching, refetch } = history;
  const read = data?.pages.reduce((sum, page) => sum + page.items.length, 0) ?? 0;
  // A history only grows: who sees its end sees it grow.
  useEffect(() => {
    if (data !== undefined && !hasNextPage && read < entries) void refetch();
  }, [data, hasNextPage, read, entries, refetch]);
  const items = useMemo(
    () => happenings(data?.pages.flatMap((page) => page.items) ?? [], kind),
    [data, kind],
  );
  return (
    <VirtualList
      label="History"
      columns="cols-history"
      dense
      heads={['#', 'Time', 'What', 'Details']}
      items={items}
      onEnd={() => hasNextPage && !isFetching && void history.fetchNextPage()}
      row={({ key, number, kind: what, atMs, details }) => ({
        key,
        to: `${pathOf('executions', id)}?tab=history&entry=${key}`,
        isChosen: key === props.chosen,
        cells: [
          <span key="at" className="soft">
            {number}
          </span>,
          atMs === undefined ? (
            ''
          ) : (
            <span key="time" className="soft" title={exact(atMs)}>
              {clock(atMs)}
            </span>
          ),
          <span key="kind" className={`badge dot ${toneOf(what) || endOf(what)}`}>
            {what}
          </span>,
          <span key="details" className="mono">
            {(JSON.stringify(details) ?? '').slice(0, DETAILS_MAX)}
          </span>,
        ],
      })}
    />
  );
}

/** One of them, whole. */
export function HappeningView({ execution: { id, kind }, chosen }: { execution: Execution; chosen: string }) {
  const [entry = '0'] = chosen.split('-');
  const path = `${pathOf('executions', id, 'history')}${queryOf({ from: entry, limit: 1 })}`;
  const { data, error } = useLive<'getExecutionHistory'>(path, { once: true });
  const found = happenings(data?.items ?? [], kind, Number(entry)).find(({ key }) => key === chosen);
  if (found === undefined)
    return error === null ? <p className="soft">Loading…</p> : <Problem error={error} />;
  return (
    <div className="beside">
      <h2>{found.kind}</h2>
      {found.atMs === undefined ? null : <span className="soft mono">{exact(found.atMs)}</span>}
      <Json label="Details" value={found.details} />
    </div>
  );
}

/** Of an event of Step Functions, whose names end with how something ended. */
const endOf = (kind: string): string =>
  /(?:Failed|TimedOut|Aborted)$/.test(kind) ? 'bad' : kind.endsWith('Succeeded') ? 'good' : '';

interface StateEvent {
  readonly id: number;
  readonly type: string;
  readonly timestampMs: number;
  readonly [details: string]: unknown;
}

/** Of a state machine the events that Step Functions has as well: its entries are what the engine makes of them. */
function happenings(entries: readonly HistoryEntry[], execution: 'code' | 'asl', first = 0): Happening[] {
  return entries.flatMap((found, at): Happening[] => {
    const entry = first + at;
    const { kind, atMs, ...details } = found;
    if (execution === 'code') return [{ key: `${entry}`, number: entry, kind, atMs, details }];
    if (found.kind !== 'noted') return [];
    const note = found.note as { asl?: number; events?: readonly StateEvent[] } | null | undefined;
    if (note?.asl !== 1) return [];
    return (note.events ?? []).map(({ id, type, timestampMs, ...rest }) => ({
      ...{ key: `${entry}-${id}`, number: id, kind: type, atMs: timestampMs, details: rest },
    }));
  });
}
