import type { Activity, FunctionView, TriggerView } from '../answers.ts';
import { pathOf } from '../route.tsx';
import { compact, plural } from '../show.ts';
import { Graph, type GraphEdge, type GraphNode } from './graph.tsx';

/** Routes of one function that the map names; further ones are counted. */
const ROUTES_SHOWN = 2;

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
  const nodes = new Map<string, GraphNode>();
  const edges: GraphEdge[] = [];
  // How many of a function's calls came by its routes is not told apart from those that triggers made.
  const triggered = new Set(props.triggers.map((each) => `${each.id.split('/')[0]}/${each.function}`));
  for (const { app, name, runtime, instances, routes } of props.functions) {
    const id = `f ${app}/${name}`;
    if (nodes.has(id)) continue;
    const { invocations, errors } = sums.get(`${app}/${name}`) ?? { invocations: 0, errors: 0 };
    nodes.set(id, {
      id,
      text: name,
      under: `${app} · ${runtime} · ${plural(instances, 'instance')}`,
      tone: errors > 0 ? 'bad' : instances > 0 ? 'good' : '',
      to: pathOf('functions', app, name),
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
  return <Graph label="Map of the app" direction="LR" nodes={[...nodes.values()]} edges={edges} />;
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
