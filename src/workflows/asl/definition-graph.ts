import type { GraphEdge, GraphNode, WorkflowGraph } from '../../ports/workflow-graph.ts';

/** States of one graph; more are counted and left out. */
const STATES_MAX = 300;
/** Characters of a condition that are told. */
const LABEL_MAX = 80;

interface Flow {
  readonly StartAt?: string;
  readonly States?: Readonly<Record<string, State>>;
}

interface State {
  readonly Type?: string;
  readonly Next?: string;
  readonly End?: boolean;
  readonly Default?: string;
  readonly Choices?: readonly Rule[];
  readonly Catch?: readonly { readonly ErrorEquals?: readonly string[]; readonly Next?: string }[];
  readonly Branches?: readonly Flow[];
  readonly ItemProcessor?: Flow;
  readonly Iterator?: Flow;
}

type Rule = Readonly<Record<string, unknown>> & { readonly Next?: string };

interface Way {
  readonly to: string;
  readonly label?: string;
}

/**
 * A state machine as its definition draws it. The definition was checked when it was deployed, so names are unique in
 * the whole of it, and what a state leads to exists.
 */
export function definitionGraph(definition: Flow): WorkflowGraph {
  const nodes: GraphNode[] = [{ id: 'start', kind: 'start', label: 'start' }];
  const edges: GraphEdge[] = [];
  const drawn = new Set<string>();
  let left = 0;
  const connect = (from: string, { to, label }: Way): void => {
    edges.push({ from, to: idOf(to), ...(label === undefined ? {} : { label }) });
  };
  /** Returns the states that the flow ends with. */
  const addFlow = (flow: Flow, before: string, parent?: string): string[] => {
    const exits: string[] = [];
    if (flow.StartAt !== undefined) connect(before, { to: flow.StartAt });
    for (const [name, state] of Object.entries(flow.States ?? {})) {
      const id = idOf(name);
      if (drawn.size >= STATES_MAX) left += 1;
      else {
        drawn.add(id);
        nodes.push({
          id,
          kind: state.Type ?? 'state',
          label: name,
          ...(parent === undefined ? {} : { parent }),
        });
      }
      // What follows a Parallel or a Map follows what its flows end with.
      const inner = flowsOf(state).flatMap((each) => addFlow(each, id, id));
      const leaves = inner.length > 0 ? inner : [id];
      for (const from of leaves) if (state.Next !== undefined) connect(from, { to: state.Next });
      for (const way of choicesOf(state)) connect(id, way);
      if (state.End === true || state.Type === 'Succeed' || state.Type === 'Fail') exits.push(...leaves);
    }
    return exits;
  };
  const exits = addFlow(definition, 'start');
  nodes.push({ id: 'end', kind: 'end', label: 'end' });
  for (const from of exits) edges.push({ from, to: 'end' });
  const isDrawn = (id: string): boolean => id === 'start' || id === 'end' || drawn.has(id);
  const kept = edges.filter(({ from, to }) => isDrawn(from) && isDrawn(to));
  return { source: 'definition', executions: 0, nodes, edges: kept, left };
}

/** Apart from `start` and `end`, whatever a state is called. */
const idOf = (state: string): string => `/${state}`;

function flowsOf({ ItemProcessor, Iterator: iterator, Branches }: State): readonly Flow[] {
  const each = ItemProcessor ?? iterator;
  return [...(each === undefined ? [] : [each]), ...(Branches ?? [])];
}

function choicesOf({ Choices = [], Default, Catch = [] }: State): Way[] {
  const ways: Way[] = [];
  for (const rule of Choices)
    if (rule.Next !== undefined) ways.push({ to: rule.Next, label: ruleText(rule) });
  if (Default !== undefined) ways.push({ to: Default, label: 'Default' });
  for (const { Next, ErrorEquals = [] } of Catch)
    if (Next !== undefined) ways.push({ to: Next, label: shortened(`catch ${ErrorEquals.join(', ')}`) });
  return ways;
}

/** A condition of JSONata as it is, a comparison as `$.total > 5`, what is made of several in short. */
function ruleText({ Variable, Condition, ...rule }: Rule): string {
  if (typeof Condition === 'string') return shortened(Condition.replaceAll(/^\{%\s*|\s*%\}$/g, ''));
  const operators = Object.keys(rule).filter((key) => !NOT_OPERATORS.has(key));
  const [operator] = operators;
  if (operator === undefined) return 'choice';
  if (typeof Variable !== 'string') return `${operator} …`;
  return shortened(`${Variable} ${signOf(operator)} ${JSON.stringify(rule[operator])}`);
}

/** `NumericLessThanEquals`, also of texts, times and paths, as one writes it. */
function signOf(operator: string): string {
  const [, how] = /^(?:String|Numeric|Boolean|Timestamp)(\w+?)(?:Path)?$/.exec(operator) ?? [];
  return (how === undefined ? undefined : SIGNS[how]) ?? operator;
}

const SIGNS: Readonly<Record<string, string>> = {
  Equals: '=',
  LessThan: '<',
  LessThanEquals: '≤',
  GreaterThan: '>',
  GreaterThanEquals: '≥',
};

const NOT_OPERATORS: ReadonlySet<string> = new Set(['Next', 'Comment', 'Assign', 'Output']);

const shortened = (text: string): string =>
  text.length <= LABEL_MAX ? text : `${text.slice(0, LABEL_MAX)}…`;
