import type { ExecutionStep, StepStatus } from '../ports/execution-steps.ts';
import {
  type ExecutionGraph,
  GRAPH_ITEMS_MAX,
  type GraphEdge,
  type GraphItem,
  type PlaceItems,
  type PlaceState,
  type WorkflowGraph,
} from '../ports/workflow-graph.ts';
import { definitionGraph } from './asl/definition-graph.ts';
import { LearntGraph } from './learnt-graph.ts';

/** The later in the list, the more it matters. */
const WEIGHT: readonly StepStatus[] = ['succeeded', 'cancelled', 'failed', 'waiting', 'running'];

/** What an execution of durable code did so far. */
export function graphOfCode(
  steps: readonly ExecutionStep[],
  outcome: string | undefined,
  chosen: GraphItem | undefined,
): ExecutionGraph {
  const learnt = new LearntGraph();
  const placeOf = learnt.add(steps, outcome);
  return told(learnt.graph(), steps, placeOf, chosen);
}

/** A state machine as it is defined, with how often each way was taken. Names of states are unique in all of it. */
export function graphOfMachine(
  definition: object,
  steps: readonly ExecutionStep[],
  outcome: string | undefined,
  chosen: GraphItem | undefined,
): ExecutionGraph {
  const graph = definitionGraph(definition);
  const drawn = new Set(graph.nodes.map(({ id }) => id));
  const placeOf = new Map<number, string>();
  for (const { step, kind, name } of steps)
    if (kind !== 'iteration' && drawn.has(`/${name}`)) placeOf.set(step, `/${name}`);
  const edges = countWays(graph, steps, placeOf, outcome === 'succeeded');
  return told({ ...graph, edges }, steps, placeOf, chosen);
}

function told(
  { nodes, edges, source, left }: WorkflowGraph,
  steps: readonly ExecutionStep[],
  placeOf: ReadonlyMap<number, string>,
  chosen: GraphItem | undefined,
): ExecutionGraph {
  const counted = steps.filter((step) => placeOf.has(step.step) && isIn(chosen, step, steps));
  const byPlace = Map.groupBy(counted, ({ step }) => placeOf.get(step)!);
  const itemsOf = itemsByMap(steps);
  return {
    ...{ source, edges, left },
    nodes: nodes.map((node) => {
      const here = byPlace.get(node.id);
      return here === undefined ? node : { ...node, state: stateOf(here, itemsOf) };
    }),
  };
}

function stateOf(
  steps: readonly ExecutionStep[],
  itemsOf: ReadonlyMap<number, ReadonlyMap<number, StepStatus>>,
): PlaceState {
  const weighty = steps.reduce((a, b) => (weightOf(b.status) >= weightOf(a.status) ? b : a));
  const ends = steps.flatMap(({ toMs }) => (toMs === undefined ? [] : [toMs]));
  const dues = steps.flatMap(({ dueMs }) => (dueMs === undefined ? [] : [dueMs]));
  const map = steps.findLast(({ step }) => itemsOf.has(step))?.step;
  return {
    ...{ status: weighty.status, step: weighty.step, counts: countsOf(steps.map(({ status }) => status)) },
    retries: steps.reduce((sum, { attemptCount }) => sum + Math.max(0, attemptCount - 1), 0),
    fromMs: steps[0]!.fromMs,
    ...(ends.length < steps.length ? {} : { toMs: latest(ends) }),
    ...(ends.length === 0
      ? {}
      : { longestMs: latest(steps.map((each) => (each.toMs ?? each.fromMs) - each.fromMs)) }),
    ...(dues.length === 0 ? {} : { dueMs: -latest(dues.map((due) => -due)) }),
    ...(weighty.error === undefined ? {} : { error: weighty.error }),
    ...(map === undefined ? {} : { items: placeItems(map, itemsOf.get(map)!) }),
  };
}

const weightOf = (status: StepStatus): number => WEIGHT.indexOf(status);

/** Not by `Math.max(...)`: there may be more of them than a call takes. */
const latest = (times: readonly number[]): number => times.reduce((a, b) => Math.max(a, b));

function countsOf(statuses: Iterable<StepStatus>): Partial<Record<StepStatus, number>> {
  const counts: Partial<Record<StepStatus, number>> = {};
  for (const status of statuses) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

function placeItems(map: number, items: ReadonlyMap<number, StepStatus>): PlaceItems {
  const all = [...items].map(([item, status]) => ({ item, status }));
  const first = all.toSorted((a, b) => weightOf(b.status) - weightOf(a.status) || a.item - b.item);
  const named = first.slice(0, GRAPH_ITEMS_MAX).sort((a, b) => a.item - b.item);
  return { map, total: all.length, counts: countsOf(items.values()), named };
}

/** By the step that is a map: how each of its items stands, as the step of it does that matters most. */
function itemsByMap(steps: readonly ExecutionStep[]): Map<number, Map<number, StepStatus>> {
  const found = new Map<number, Map<number, StepStatus>>();
  for (const step of steps) {
    const item = itemOf(step, steps);
    if (item === undefined) continue;
    let items = found.get(step.parent!);
    if (items === undefined) {
      items = new Map();
      found.set(step.parent!, items);
    }
    const before = items.get(item);
    if (before === undefined || weightOf(step.status) > weightOf(before)) items.set(item, step.status);
  }
  return found;
}

/** The item of a map that a step begins or belongs to, directly below the map. */
function itemOf(
  { parent, item, kind, name }: ExecutionStep,
  steps: readonly ExecutionStep[],
): number | undefined {
  if (parent === undefined) return undefined;
  if (kind === 'iteration') return Number(name.slice(1));
  return item !== undefined && /^map(?: |$)/.test(steps[parent]!.name) ? item : undefined;
}

/** Whether a step counts: it is outside the map of which an item is chosen, or belongs to that item. */
function isIn(chosen: GraphItem | undefined, step: ExecutionStep, steps: readonly ExecutionStep[]): boolean {
  if (chosen === undefined) return true;
  for (let each = step; each.parent !== undefined; each = steps[each.parent]!)
    if (each.parent === chosen.map) return itemOf(each, steps) === chosen.item;
  return true;
}

/**
 * How often each way of a definition was taken. A step came by the way from what was last left in its scope; what
 * follows a Parallel came from the ends of all its branches.
 */
function countWays(
  graph: WorkflowGraph,
  steps: readonly ExecutionStep[],
  placeOf: ReadonlyMap<number, string>,
  isDone: boolean,
): GraphEdge[] {
  const waysTo = Map.groupBy(graph.edges, ({ to }) => to);
  const counts = new Map<GraphEdge, number>();
  /** By scope, then by place: the step directly in the scope with which that place was left last. */
  const lasts = new Map<number | undefined, Map<string, number>>();
  const lastsOf = (scope: number | undefined): Map<string, number> => {
    const known = lasts.get(scope) ?? new Map<string, number>();
    lasts.set(scope, known);
    return known;
  };
  const take = (to: string, scope: number | undefined): void => {
    const left = lasts.get(scope);
    const ways = waysTo.get(to) ?? [];
    const newest = Math.max(-1, ...ways.map(({ from }) => left?.get(from) ?? -1));
    const outer = scope === undefined ? 'start' : placeAround(scope, steps, placeOf);
    for (const way of ways)
      if (newest < 0 ? way.from === outer : left?.get(way.from) === newest)
        counts.set(way, (counts.get(way) ?? 0) + 1);
  };
  for (const step of steps) {
    const place = placeOf.get(step.step);
    if (place === undefined) continue;
    take(place, step.parent);
    for (let inner = step, scope = step.parent; ; inner = steps[scope]!, scope = inner.parent) {
      lastsOf(scope).set(place, inner.step);
      if (scope === undefined) break;
    }
  }
  if (isDone) take('end', undefined);
  return graph.edges.map((edge) => ({ ...edge, count: counts.get(edge) ?? 0 }));
}

/** The place of a scope: of an iteration, that of its Map. */
function placeAround(
  scope: number,
  steps: readonly ExecutionStep[],
  placeOf: ReadonlyMap<number, string>,
): string | undefined {
  return placeOf.get(scope) ?? placeOf.get(steps[scope]?.parent ?? -1);
}
