import type { ExecutionStep } from './answers.ts';
import { toneOf } from './parts/badge.tsx';
import type { GraphEdge, GraphNode } from './parts/graph.tsx';

/** Places that are drawn; more are for the timeline. */
const NODES_MAX = 120;

export interface DrawnGraph {
  readonly nodes: GraphNode[];
  readonly edges: GraphEdge[];
  /** Steps that are not in it. */
  readonly left: number;
}

export type LinkOf = (step: number) => string;

/** One place of the graph: steps of one name within one other are drawn as one, so that a loop is a loop. */
interface Place {
  readonly id: string;
  readonly kind: string;
  readonly name: string;
  readonly steps: ExecutionStep[];
}

/** What code did, from its steps: what ended before a step began, within the same scope, leads to it. */
export function graphOfSteps(
  steps: readonly ExecutionStep[],
  outcome: string | undefined,
  linkOf: LinkOf,
  chosen: number | undefined,
): DrawnGraph {
  const { places, placeOf } = gather(steps);
  const edges = new Map<string, GraphEdge>();
  const connect = (from: string, to: string): void => {
    if (from !== to) edges.set(`${from}\n${to}`, { from, to, look: 'taken' });
  };
  const last = follow(steps, placeOf, connect);
  const nodes = [...places.values()].map((place) => nodeOf(place, linkOf, chosen));
  nodes.unshift({ id: 'start', text: 'start', tone: 'info' });
  if (outcome !== undefined) {
    nodes.push({ id: 'end', text: outcome, tone: toneOf(outcome) });
    for (const from of last) connect(from, 'end');
  }
  return {
    nodes,
    edges: [...edges.values()],
    left: steps.filter(({ step }) => !placeOf.has(step)).length,
  };
}

function gather(steps: readonly ExecutionStep[]) {
  const places = new Map<string, Place>();
  const placeOf = new Map<number, Place>();
  for (const step of steps) {
    const within = step.parent === undefined ? '' : placeOf.get(step.parent)?.id;
    if (within === undefined) continue;
    const name = step.kind === 'iteration' ? 'each' : step.name;
    const id = `${within}/${step.kind} ${name}`;
    let place = places.get(id);
    if (place === undefined) {
      if (places.size >= NODES_MAX) continue;
      place = { id, kind: step.kind, name, steps: [] };
      places.set(id, place);
    }
    place.steps.push(step);
    placeOf.set(step.step, place);
  }
  return { places, placeOf };
}

/** Calls `connect` for each pair; returns what the end follows. */
function follow(
  steps: readonly ExecutionStep[],
  placeOf: ReadonlyMap<number, Place>,
  connect: (from: string, to: string) => void,
): readonly string[] {
  /** By scope: what the next step within it follows, and whether one began since something ended. */
  const fronts = new Map<number | undefined, { latest: string[]; begun: boolean }>();
  const frontOf = (scope: number | undefined) => {
    const known = fronts.get(scope);
    if (known !== undefined) return known;
    const own = scope === undefined ? 'start' : placeOf.get(scope)!.id;
    const front = { latest: [own], begun: false };
    fronts.set(scope, front);
    return front;
  };
  const moments = steps.flatMap((step) =>
    placeOf.has(step.step)
      ? [
          { at: step.firstEntry, step, ends: false },
          { at: step.lastEntry ?? Number.POSITIVE_INFINITY, step, ends: true },
        ]
      : [],
  );
  moments.sort((a, b) => a.at - b.at || a.step.step - b.step.step);
  for (const { step, ends } of moments) {
    const front = frontOf(step.parent);
    const own = placeOf.get(step.step)!.id;
    if (!ends) {
      for (const from of front.latest) connect(from, own);
      front.begun = true;
      continue;
    }
    // What follows a scope follows what ended last in it.
    const exits = fronts.get(step.step)?.latest ?? [own];
    front.latest = front.begun ? exits : [...new Set([...front.latest, ...exits])];
    front.begun = false;
  }
  return frontOf(undefined).latest;
}

/** The status that matters most of several. */
const WEIGHT = ['succeeded', 'cancelled', 'failed', 'waiting', 'running'];

function nodeOf({ id, kind, name, steps }: Place, linkOf: LinkOf, chosen: number | undefined): GraphNode {
  return { id, text: name, ...stateOf(steps, kind, linkOf, chosen) };
}

/** How a place stands that these steps went through: what is written under it, its colour, and where it leads. */
export function stateOf(
  steps: readonly ExecutionStep[],
  kind: string,
  linkOf: LinkOf,
  chosen: number | undefined,
): Omit<GraphNode, 'id' | 'text'> {
  const [first] = steps;
  if (first === undefined) return { under: kind, tone: 'faint' };
  const weighty = steps.reduce((a, b) => (WEIGHT.indexOf(b.status) > WEIGHT.indexOf(a.status) ? b : a));
  const attempts = Math.max(...steps.map(({ attemptCount }) => attemptCount));
  const times = steps.length > 1 ? ` × ${steps.length}` : '';
  const tries = attempts > 1 ? ` · ${attempts} attempts` : '';
  const isChosen = steps.some(({ step }) => step === chosen);
  return {
    under: `${kind}${times} · ${weighty.status}${tries}`,
    tone: `${toneOf(weighty.status)} ${isChosen ? 'chosen' : ''}`,
    to: linkOf(weighty.step),
  };
}
