import { useQueries } from '@tanstack/react-query';
import type { Activity, Execution, FunctionView, Paged, TriggerView, WorkflowGraph } from '../answers.ts';
import { get } from '../api.ts';
import { useLive } from '../query-client.ts';
import { pathOf } from '../route.tsx';
import { compact, plural } from '../show.ts';
import { Graph, type GraphEdge, type GraphNode } from './graph.tsx';

/** Routes of one function that the map names; further ones are counted. */
const ROUTES_SHOWN = 2;
/** Executions that are counted, the newest, and workflows whose own calls are looked for. */
const EXECUTIONS_COUNTED = 1_000;
const WORKFLOWS_LOOKED_INTO = 12;
const HOUR_MS = 3_600_000;

interface Sums {
  invocations: number;
  errors: number;
}

/** What brings work to which function, as the live deployments have it, with what went through lately. */
export function AppMap(props: {
  functions: readonly FunctionView[];
  triggers: readonly TriggerView[];
  activity: Activity | undefined;
}) {
  const sums = sumsOf(props.activity);
  const { runs, calls } = useWorkflows(props.functions);
  for (const [key, run] of runs) sums.set(key, run);
  const nodes = new Map<string, GraphNode>();
  const edges: GraphEdge[] = [];
  // How many of a function's calls came by its routes is not told apart from those that triggers made.
  const triggered = new Set(props.triggers.map((each) => `${each.id.split('/')[0]}/${each.function}`));
  for (const { app, name, runtime, instances, routes, config } of props.functions) {
    const id = `f ${app}/${name}`;
    if (nodes.has(id)) continue;
    const { invocations, errors } = sums.get(`${app}/${name}`) ?? { invocations: 0, errors: 0 };
    const isWorkflow = config.workflow === true;
    nodes.set(id, {
      id,
      text: name,
      under: `${app} · ${isWorkflow ? 'workflow' : runtime} · ${plural(instances, 'instance')}`,
      tone: errors > 0 ? 'bad' : instances > 0 ? 'good' : '',
      to: isWorkflow ? `/executions?app=${app}&workflow=${name}` : pathOf('functions', app, name),
    });
    if (routes.length === 0) continue;
    const shown = routes
      .slice(0, ROUTES_SHOWN)
      .map(({ method, host = '', path }) => `${method} ${host}${path}`);
    const route = `r ${app}/${name}`;
    nodes.set(route, {
      id: route,
      text: shown.join(', '),
      ...(routes.length > ROUTES_SHOWN ? { under: `and ${routes.length - ROUTES_SHOWN} more` } : {}),
    });
    edges.push({
      from: route,
      to: id,
      ...(triggered.has(`${app}/${name}`) ? {} : { text: textOf(invocations, errors) }),
      look: errors > 0 ? 'failing' : invocations > 0 ? 'hot' : '',
    });
  }
  for (const trigger of props.triggers) addTrigger(trigger, nodes, edges);
  for (const [from, to] of calls)
    if (nodes.has(from) && nodes.has(to) && from !== to) edges.push({ from, to, look: 'taken' });
  return <Graph label="Map of the app" direction="LR" nodes={[...nodes.values()]} edges={edges} />;
}

/** Executions of the last hour by workflow, and which functions and workflows they call, as the latest of them did. */
function useWorkflows(functions: readonly FunctionView[]) {
  const workflows = functions.filter(({ config }) => config.workflow === true);
  const newest = useLive<Paged<Execution>>(
    workflows.length === 0 ? undefined : `/executions?limit=${EXECUTIONS_COUNTED}`,
  ).data;
  const runs = new Map<string, Sums>();
  for (const { app, workflow, status, createdMs } of newest?.items ?? []) {
    if (createdMs < Date.now() - HOUR_MS) continue;
    const sums = runs.get(`${app}/${workflow}`) ?? { invocations: 0, errors: 0 };
    sums.invocations += 1;
    if (status === 'failed' || status === 'timedOut') sums.errors += 1;
    runs.set(`${app}/${workflow}`, sums);
  }
  const looked = workflows.slice(0, WORKFLOWS_LOOKED_INTO);
  const graphs = useQueries({
    queries: looked.map(({ app, name }) => {
      const path = `/apps${pathOf(app, 'workflows', name, 'graph')}`;
      // It is learnt from histories: what it costs is asked for rarely.
      return { queryKey: [path], queryFn: () => get<WorkflowGraph>(path), staleTime: 30_000 };
    }),
  });
  const calls = looked.flatMap(({ app, name }, at) =>
    (graphs[at]?.data?.nodes ?? []).flatMap(({ kind, label }): [from: string, to: string][] => {
      const called = kind === 'call' || kind === 'child' ? label.slice(kind.length + 1) : undefined;
      if (called === undefined) return [];
      return [[`f ${app}/${name}`, `f ${called.includes('/') ? called : `${app}/${called}`}`]];
    }),
  );
  return { runs, calls };
}

function textOf(invocations: number, errors: number): string {
  return errors > 0 ? `${compact(invocations)}, ${compact(errors)} failed` : compact(invocations);
}

function addTrigger(trigger: TriggerView, nodes: Map<string, GraphNode>, edges: GraphEdge[]): void {
  const [app, name] = trigger.id.split('/');
  const target = `f ${app}/${trigger.function}`;
  if (trigger.function === undefined || !nodes.has(target)) return;
  const id = `t ${trigger.id}`;
  const failing = trigger.dead > 0 || trigger.trouble !== undefined;
  nodes.set(id, {
    id,
    text: name ?? trigger.id,
    under: trigger.paused ? 'paused' : (trigger.source?.kind ?? 'trigger'),
    tone: failing ? 'bad' : trigger.paused ? 'warn' : 'info',
    to: '/events?tab=triggers',
  });
  edges.push({
    from: id,
    to: target,
    text: `${compact(trigger.delivered)}${trigger.owed > 0 ? `, ${compact(trigger.owed)} owed` : ''}${trigger.dead > 0 ? `, ${compact(trigger.dead)} dead` : ''}`,
    look: failing ? 'failing' : trigger.delivered > 0 ? 'hot' : '',
  });
}

function sumsOf(activity: Activity | undefined): Map<string, Sums> {
  const sums = new Map<string, Sums>();
  for (const step of activity?.items ?? [])
    for (const { app, function: name, invocations, errors } of step.functions) {
      const before = sums.get(`${app}/${name}`) ?? { invocations: 0, errors: 0 };
      sums.set(`${app}/${name}`, {
        invocations: before.invocations + invocations,
        errors: before.errors + errors,
      });
    }
  return sums;
}
