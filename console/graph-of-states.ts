import type { ExecutionStep } from './answers.ts';
import { type DrawnGraph, type LinkOf, stateOf } from './graph-of-steps.ts';
import { toneOf } from './parts/badge.tsx';
import type { GraphEdge, GraphNode } from './parts/graph.tsx';

/** States that are drawn. */
const STATES_MAX = 300;

interface State {
  readonly Type?: string;
  readonly Next?: string;
  readonly End?: boolean;
  readonly Default?: string;
  readonly Choices?: readonly { readonly Next?: string }[];
  readonly Catch?: readonly { readonly Next?: string }[];
  readonly Branches?: readonly Flow[];
  readonly ItemProcessor?: Flow;
  readonly Iterator?: Flow;
}

interface Flow {
  readonly StartAt?: string;
  readonly States?: Readonly<Record<string, State>>;
}

/**
 * A state machine as its definition has it, each state coloured by how it stands. Names of states are unique in a
 * whole machine, so a step is found by its name. The definition was checked when it was deployed; what is odd all the
 * same is left out of the drawing.
 */
export function graphOfStates(
  definition: Flow,
  steps: readonly ExecutionStep[],
  outcome: string | undefined,
  linkOf: LinkOf,
  chosen: number | undefined,
): DrawnGraph {
  const byName = Map.groupBy(steps, ({ name }) => name);
  const states = new Map<string, State>();
  const arrows: [from: string, to: string, text: string | undefined][] = [];
  /** Returns the states that the flow ends with. */
  const addFlow = (flow: Flow, before: string): string[] => {
    const exits: string[] = [];
    if (flow.StartAt !== undefined) arrows.push([before, flow.StartAt, undefined]);
    for (const [name, state] of Object.entries(flow.States ?? {})) {
      if (states.size >= STATES_MAX) break;
      states.set(name, state);
      const within = [state.ItemProcessor ?? state.Iterator, ...(state.Branches ?? [])];
      const inner = within.flatMap((each) => (each === undefined ? [] : addFlow(each, name)));
      const leaves = inner.length > 0 ? inner : [name];
      for (const [to, text] of nextOf(state))
        for (const from of text === undefined ? leaves : [name]) arrows.push([from, to, text]);
      if (state.End === true || state.Type === 'Succeed' || state.Type === 'Fail') exits.push(...leaves);
    }
    return exits;
  };
  for (const exit of addFlow(definition, 'start')) arrows.push([exit, 'end', undefined]);
  const isVisited = (name: string): boolean => name === 'start' || byName.has(name);
  const edges = new Map<string, GraphEdge>();
  for (const [from, to, text] of arrows) {
    if (from === to || !(to === 'end' ? outcome !== undefined && isVisited(from) : states.has(to))) continue;
    const taken = isVisited(from) && (to === 'end' || isVisited(to));
    edges.set(`${from}\n${to}`, {
      ...{ from, to, look: taken ? 'taken' : '' },
      ...(text === undefined ? {} : { text }),
    });
  }
  const nodes: GraphNode[] = [
    { id: 'start', text: 'start', tone: 'info' },
    ...[...states].map(([name, { Type = 'state' }]) => ({
      ...{ id: name, text: name },
      ...stateOf(byName.get(name) ?? [], Type, linkOf, chosen),
    })),
  ];
  if (outcome !== undefined) nodes.push({ id: 'end', text: outcome, tone: toneOf(outcome) });
  return { nodes, edges: [...edges.values()], left: 0 };
}

function nextOf(state: State): (readonly [to: string, text?: string])[] {
  const next: (readonly [string, string?])[] = [];
  if (state.Next !== undefined) next.push([state.Next]);
  for (const { Next } of state.Choices ?? []) if (Next !== undefined) next.push([Next, 'choice']);
  if (state.Default !== undefined) next.push([state.Default, 'default']);
  for (const { Next } of state.Catch ?? []) if (Next !== undefined) next.push([Next, 'catch']);
  return next;
}
