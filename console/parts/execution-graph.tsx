import type { ExecutionGraph as Answer, Execution, PlaceState, StepCounts } from '../answers.ts';
import { queryOf } from '../api.ts';
import type { GraphEdge, GraphNode } from '../lay-out-graph.ts';
import { useLive } from '../query-client.ts';
import { pathOf, setQuery, useRoute } from '../route.tsx';
import { clock, count, elapsed, plural } from '../show.ts';
import { toneOf } from './badge.tsx';
import { Graph } from './graph.tsx';
import { Empty, Problem } from './panel.tsx';

/** An execution as the server draws it: a state machine as it is defined, code as it went, coloured by how it stands. */
export function ExecutionGraph({ execution, chosen }: { execution: Execution; chosen: number | undefined }) {
  const { id, status } = execution;
  const { map, item } = useRoute().query;
  const path = pathOf('executions', id);
  const { data, error } = useLive<'getExecutionGraph'>(`${path}/graph${queryOf({ map, item })}`);
  if (data === undefined)
    return <div className="pad">{error ? <Problem error={error} /> : <p className="soft">Loading…</p>}</div>;
  if (data.nodes.length <= 1) return <Empty title="Nothing happened yet" />;
  const linkOf = (step: number): string => `${path}${queryOf({ tab: 'graph', step, map, item })}`;
  const nodes = data.nodes.map((node) => boxOf(node, status, linkOf, chosen));
  return (
    <>
      {data.left > 0 ? (
        <p className="pad soft">
          {plural(data.left, 'more place')} are not drawn; the timeline has all steps.
        </p>
      ) : null}
      <Items graph={data} map={map} item={item} />
      <Graph
        label="What the execution did"
        direction="TB"
        nodes={nodes}
        edges={waysOf(data)}
        follow={(nodes.find(({ isBusy }) => isBusy) ?? nodes.find(({ tone }) => tone?.startsWith('bad')))?.id}
      />
    </>
  );
}

/** Each map with its items by status; one of them is looked at alone. */
function Items(props: { graph: Answer; map: string | undefined; item: string | undefined }) {
  const maps = props.graph.nodes.flatMap(({ label, state }) =>
    state?.items === undefined ? [] : [{ label, ...state.items }],
  );
  if (maps.length === 0) return null;
  return (
    <div className="pad row graph-items">
      {maps.map(({ label, map, total, counts, named }) => (
        <label key={map} className="row">
          <span>
            {label}: <span className="soft">{countsText(counts)}</span>
          </span>
          <select
            className="field"
            aria-label={`Item of ${label}`}
            value={props.map === String(map) ? props.item : ''}
            onChange={({ target: { value } }) =>
              setQuery({ map: value === '' ? undefined : String(map), item: value || undefined })
            }
          >
            <option value="">all {count(total)} items</option>
            {named.map(({ item, status }) => (
              <option key={item} value={item}>
                item {item} · {status}
              </option>
            ))}
            {named.length < total ? (
              <option disabled>{count(total - named.length)} more, done with</option>
            ) : null}
          </select>
        </label>
      ))}
    </div>
  );
}

const countsText = (counts: StepCounts): string =>
  Object.entries(counts)
    .map(([status, number]) => `${count(number)} ${status}`)
    .join(', ');

function boxOf(
  { id, kind, label, parent, state }: Answer['nodes'][number],
  status: Execution['status'],
  linkOf: (step: number) => string,
  chosen: number | undefined,
): GraphNode {
  const shared = { id, text: label, within: parent };
  if (kind === 'start') return { ...shared, tone: 'info round' };
  // A definition has one end, however an execution ends.
  if (kind === 'end')
    return {
      ...shared,
      tone: `round ${label !== 'end' ? toneOf(label) : status === 'succeeded' ? 'good' : 'faint'}`,
    };
  if (state === undefined)
    return {
      ...shared,
      tone: kind === 'branch' ? '' : 'faint',
      ...(label.startsWith(kind) ? {} : { under: kind }),
    };
  const isMany = Object.values(state.counts).reduce((sum, each) => sum + each, 0) > 1;
  return {
    ...shared,
    mark: { sign: SIGNS[toneOf(state.status)] ?? '', text: state.status },
    ...(isMany
      ? { under: `${kind} · ${countsText(state.counts)}`, note: noteOf(state, true) }
      : {
          under: [kind, ...(state.status === 'succeeded' ? [] : [state.status]), noteOf(state)].join(' · '),
        }),
    tone: `${toneOf(state.status)} ${state.step === chosen ? 'chosen' : ''}`,
    isBusy: state.status === 'running' || state.status === 'waiting',
    to: linkOf(state.step),
  };
}

const SIGNS: Readonly<Record<string, string>> = { good: '✓', bad: '✕', warn: '–', info: '●' };

function noteOf({ status, retries, longestMs, dueMs, items }: PlaceState, isMany = false): string {
  return [
    ...(items === undefined ? [] : [plural(items.total, 'item')]),
    ...(dueMs !== undefined && status === 'waiting' ? [`until ${clock(dueMs)}`] : []),
    ...(longestMs === undefined ? [] : [`${isMany ? 'longest ' : ''}${elapsed(longestMs)}`]),
    ...(retries === 0 ? [] : [retries === 1 ? '1 retry' : `${count(retries)} retries`]),
    ...(longestMs === undefined && dueMs === undefined ? ['under way'] : []),
  ].join(' · ');
}

function waysOf({ nodes, edges }: Answer): GraphEdge[] {
  const came = new Set(
    nodes.flatMap(({ id, kind, state }) =>
      state !== undefined || kind === 'start' || kind === 'end' || kind === 'branch' ? [id] : [],
    ),
  );
  return edges.map(({ from, to, label, count: times = 0 }) => ({
    ...{ from, to, look: times > 0 && came.has(from) && came.has(to) ? 'taken' : '' },
    ...(label === undefined ? {} : { text: label.length > 28 ? `${label.slice(0, 27)}…` : label }),
  }));
}
