import { useQueries } from '@tanstack/react-query';
import type {
  Activity,
  Destination,
  LiveFunction,
  Traffic,
  TrafficFlow,
  Trigger,
  TriggerTarget,
} from '../answers.ts';
import { get } from '../api.ts';
import type { GraphEdge, GraphNode } from '../lay-out-graph.ts';
import { useLive } from '../query-client.ts';
import { pathOf, setQuery, triggerPath, useRoute } from '../route.tsx';
import { compact, percent, plural, rate } from '../show.ts';
import { Graph } from './graph.tsx';

/** Routes of one function that the map names; further ones are counted. */
const ROUTES_SHOWN = 1;
/** Workflows whose calls are looked for in what they did before; those of further ones are drawn while they flow. */
const WORKFLOWS_LOOKED_INTO = 40;
/** While something flows the rates fall by themselves, and are asked for again. */
const FLOWING_EVERY_MS = 3_000;

interface Sums {
  readonly calls: number;
  readonly errors: number;
  /** Of which the errors are a part, where those are not all: an execution takes its time. */
  readonly ended?: number;
}
const NONE: Sums = { calls: 0, errors: 0 };

/** Functions from which on those that nothing reached within the hour are folded away, until one asks for them. */
const FOLDS_FROM = 16;

interface MapProps {
  readonly functions: readonly LiveFunction[];
  readonly triggers: readonly Trigger[];
  readonly activity: Activity | undefined;
}

/** What brings work to which function, as the live deployments have it, with what flows there now. */
export function AppMap({ functions, triggers, activity }: MapProps) {
  const { app: chosen, quiet } = useRoute().query;
  const { items: flows, executions } = useTraffic();
  const { calls, passedOver } = useKnownCalls(functions);
  const runs = new Map(
    executions.map(({ app, workflow, began, ended, failed }) => [
      `${app}/${workflow}`,
      { calls: began, errors: failed, ended },
    ]),
  );
  const failures = failuresOf(activity, triggers);
  const apps = [...new Set(functions.map(({ app }) => app))].sort();
  const ofApp = functions.filter(({ app }) => chosen === undefined || app === chosen);
  const busy = ofApp.filter(
    ({ app, name, instances, config }) =>
      instances > 0 || failures.has(`${app}/${name}`) || config.workflow === true,
  );
  const folded = countOf(ofApp) < FOLDS_FROM || busy.length === 0 ? 0 : countOf(ofApp) - countOf(busy);
  const drawing = new Drawing(flows, runs, apps.length > 1 && chosen === undefined);
  for (const view of folded > 0 && quiet === undefined ? busy : ofApp) drawing.addFunction(view);
  for (const trigger of triggers) drawing.addTrigger(trigger);
  drawing.addApi();
  for (const flow of flows) if (flow.via.kind === 'function') drawing.addCall(flow);
  for (const [from, to] of calls) drawing.addKnownCall(from, to);
  return (
    <>
      <MapChoices apps={apps} folded={folded} />
      <Graph
        label="Map of the app"
        direction="LR"
        nodes={drawing.failingFirst(failures)}
        edges={[...drawing.edges.values()]}
      />
      {passedOver === 0 ? null : (
        <p className="pad soft">
          What {plural(passedOver, 'further workflow')} {passedOver === 1 ? 'calls' : 'call'} is drawn only
          while it is called.
        </p>
      )}
    </>
  );
}

const NO_TRAFFIC: Pick<Traffic, 'items' | 'executions'> = { items: [], executions: [] };

function useTraffic(): typeof NO_TRAFFIC {
  const known = useLive<'getTraffic'>('/traffic').data ?? NO_TRAFFIC;
  const isFlowing = known.items.length + known.executions.length > 0;
  const again = useLive<'getTraffic'>(isFlowing ? '/traffic' : undefined, { everyMs: FLOWING_EVERY_MS });
  return again.data ?? known;
}

/** Each once, however many deployments share its traffic. */
const countOf = (functions: readonly LiveFunction[]): number =>
  new Set(functions.map(({ app, name }) => `${app}/${name}`)).size;

/** Where there is much: one app of several, and what is folded away. */
function MapChoices({ apps, folded }: { apps: readonly string[]; folded: number }) {
  const { app, quiet } = useRoute().query;
  if (apps.length < 2 && folded === 0) return null;
  return (
    <div className="row pad graph-items">
      {apps.length < 2 ? null : (
        <select
          className="field"
          aria-label="App on the map"
          value={app ?? ''}
          onChange={({ target: { value } }) => setQuery({ app: value || undefined })}
        >
          <option value="">every app</option>
          {apps.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      )}
      {folded === 0 ? null : (
        <button
          type="button"
          className="btn"
          onClick={() => setQuery({ quiet: quiet === undefined ? 'shown' : undefined })}
        >
          {quiet === undefined ? 'Show' : 'Fold'} {plural(folded, 'quiet function')}
        </button>
      )}
    </div>
  );
}

/** By `app/name` what was called within the hour or has dead letters, with how much of that failed. */
function failuresOf(
  activity: Activity | undefined,
  triggers: readonly Trigger[],
): ReadonlyMap<string, number> {
  const failures = new Map<string, number>();
  const add = (id: string, errors: number) => failures.set(id, (failures.get(id) ?? 0) + errors);
  for (const { functions } of activity?.items ?? [])
    for (const { app, function: name, errors } of functions) add(`${app}/${name}`, errors);
  for (const { id, function: name, dead } of triggers)
    if (dead > 0 && name !== undefined) add(`${id.split('/')[0]}/${name}`, dead);
  return failures;
}

/**
 * Nodes by id (`f app/name`, `r app/name`, `t app/name`, `c app/name`, `w url`, `m arn`, `e app/type`, `api`) and edges
 * by their ends.
 */
class Drawing {
  readonly nodes = new Map<string, GraphNode>();
  readonly edges = new Map<string, GraphEdge>();
  readonly #flows: readonly TrafficFlow[];
  readonly #runs: ReadonlyMap<string, Sums>;
  readonly #namesApps: boolean;

  constructor(flows: readonly TrafficFlow[], runs: ReadonlyMap<string, Sums>, namesApps: boolean) {
    this.#flows = flows;
    this.#runs = runs;
    this.#namesApps = namesApps;
  }

  addFunction({ app, name, runtime, instances, routes, config }: LiveFunction): void {
    const id = `f ${app}/${name}`;
    if (this.nodes.has(id)) return;
    const isWorkflow = config.workflow === true;
    const all = isWorkflow ? (this.#runs.get(`${app}/${name}`) ?? NONE) : this.#sum(app, name);
    const what = isWorkflow ? 'workflow' : runtime;
    const state = isWorkflow && instances === 0 ? '' : ` · ${plural(instances, 'instance')}`;
    this.nodes.set(id, {
      ...{ id, text: name, card: 'part' },
      under: `${this.#namesApps ? `${app} · ` : ''}${what}${state}`,
      tone: all.errors > 0 ? 'bad' : instances > 0 || all.calls > 0 ? 'good' : '',
      to: isWorkflow ? `/executions?app=${app}&workflow=${name}` : pathOf('functions', app, name),
    });
    for (const connection of (config.connections ?? []) as readonly string[]) {
      const target = `c ${app}/${connection}`;
      this.nodes.set(target, {
        id: target,
        text: connection,
        under: 'connection',
        card: 'part',
        to: '/settings',
      });
      this.#connect(id, target, undefined);
    }
    const [first] = routes;
    if (first === undefined) return;
    const route = `r ${app}/${name}`;
    const more = routes.length - ROUTES_SHOWN;
    this.nodes.set(route, {
      ...{ id: route, card: 'source', text: `${first.method} ${first.host ?? ''}${first.path}` },
      ...(more > 0 ? { under: `and ${plural(more, 'more route')}` } : {}),
    });
    this.#connect(route, id, isWorkflow ? all : this.#sum(app, name, 'route'));
  }

  addTrigger(trigger: Trigger): void {
    const { id: own, source, paused, owed, dead, trouble, onSuccess, onFailure } = trigger;
    // What only outcomes reach is drawn as where they go.
    if (source?.kind === 'destination') return;
    const [app = '', title = own] = own.split('/');
    const target = this.#targetOf(app, trigger);
    if (target === undefined) return;
    const state = [
      paused ? 'paused' : (source?.kind ?? 'trigger'),
      ...(owed > 0 ? [`${compact(owed)} owed`] : []),
      ...(dead > 0 ? [`${compact(dead)} dead`] : []),
    ];
    const id = `t ${own}`;
    this.nodes.set(id, {
      ...{ id, text: title, card: 'source', under: state.join(' · ') },
      tone: dead > 0 || trouble !== undefined ? 'bad' : paused ? 'warn' : 'info',
      to: triggerPath(own),
    });
    this.#connect(id, target, this.#sum(app, trigger.function ?? '', 'trigger', own));
    const isSame = JSON.stringify(onSuccess) === JSON.stringify(onFailure);
    this.#addDestination(app, target, onSuccess, isSame ? 'either way' : 'on success');
    if (!isSame) this.#addDestination(app, target, onFailure, 'on failure');
  }

  /** What a trigger brings its events to. */
  #targetOf(app: string, { function: name, starts }: Trigger): string | undefined {
    if (starts !== undefined && starts.kind !== 'workflow') return this.#addOutside(starts);
    const target = `f ${app}/${name}`;
    return this.nodes.has(target) ? target : undefined;
  }

  /** Where the outcomes of what a trigger delivers go. */
  #addDestination(app: string, from: string, destination: Destination | undefined, when: string): void {
    if (destination === undefined) return;
    if (destination.kind === 'webhook') {
      this.#connect(from, this.#addOutside(destination), undefined, when);
    } else if (destination.kind === 'emit') {
      const id = `e ${app}/${destination.type}`;
      const to = `/events?type=${encodeURIComponent(destination.type)}`;
      this.nodes.set(id, { id, text: destination.type, under: 'event', card: 'part', to });
      this.#connect(from, id, undefined, when);
    } else {
      const name = destination.kind === 'function' ? destination.function : destination.workflow;
      const flow = this.#sum(app, name, 'trigger', `${app}/destination.${name}`);
      this.#connect(from, `f ${app}/${name}`, flow, when);
    }
  }

  /** A server that is told, or a state machine that is started, by its id here. */
  #addOutside(target: Exclude<TriggerTarget, { kind: 'workflow' }>): string {
    const isWebhook = target.kind === 'webhook';
    const id = isWebhook ? `w ${target.url}` : `m ${target.arn}`;
    this.nodes.set(id, {
      ...{ id, card: 'part', to: isWebhook ? '/events?tab=triggers' : '/executions' },
      text: isWebhook ? hostOf(target.url) : (target.arn.split(':').at(-1) ?? target.arn),
      under: isWebhook ? 'webhook' : 'state machine',
    });
    return id;
  }

  /** Calls by the API, the CLI or this console: only while there are any. */
  addApi(): void {
    for (const { app, function: name, via } of this.#flows) {
      const target = `f ${app}/${name}`;
      if (via.kind !== 'api' || !this.nodes.has(target)) continue;
      this.nodes.set('api', { id: 'api', text: 'API', under: 'CLI, console, programs', card: 'source' });
      this.#connect('api', target, this.#sum(app, name, 'api'));
    }
  }

  addCall({ app, function: name, via, calls, errors }: TrafficFlow): void {
    this.#connect(`f ${via.name}`, `f ${app}/${name}`, { calls, errors });
  }

  /** One that was seen before, whether or not it flows now. */
  addKnownCall(from: string, to: string): void {
    if (!this.edges.has(`${from}\n${to}`)) this.#connect(from, to, undefined);
  }

  /** What fails stands above what does not, for a map is read from its top; what leads somewhere stands beside it. */
  failingFirst(failures: ReadonlyMap<string, number>): GraphNode[] {
    const places = new Map([...this.nodes.keys()].map((id, at) => [id, at]));
    const placeOf = (id: string): number => {
      const fails = id.startsWith('f ') && (failures.get(id.slice(2)) ?? 0) > 0;
      return places.get(id)! + (fails ? 0 : places.size);
    };
    const ranks = new Map([...this.nodes.keys()].map((id) => [id, placeOf(id)]));
    for (const { from, to } of this.edges.values()) ranks.set(from, Math.min(ranks.get(from)!, placeOf(to)));
    return [...this.nodes.values()].toSorted((a, b) => ranks.get(a.id)! - ranks.get(b.id)!);
  }

  #connect(from: string, to: string, sums: Sums | undefined, when?: string): void {
    if (from === to || !this.nodes.has(from) || !this.nodes.has(to)) return;
    const { calls, errors, ended = calls } = sums ?? NONE;
    const failed = errors > 0 ? [`${percent(errors, ended)} fail`] : [];
    const text = [when, ...(calls > 0 ? [rate(calls)] : []), ...failed].filter(Boolean).join(' · ');
    this.edges.set(`${from}\n${to}`, {
      ...{ from, to, look: errors > 0 ? 'failing' : calls > 0 ? 'hot' : '' },
      ...(text === '' ? {} : { text }),
      ...(calls === 0 ? {} : { perMinute: calls }),
    });
  }

  #sum(app: string, name: string, kind?: TrafficFlow['via']['kind'], by?: string): Sums {
    let [calls, errors] = [0, 0];
    for (const flow of this.#flows) {
      if (flow.app !== app || flow.function !== name) continue;
      if ((kind !== undefined && flow.via.kind !== kind) || (by !== undefined && flow.via.name !== by))
        continue;
      calls += flow.calls;
      errors += flow.errors;
    }
    return { calls, errors };
  }
}

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : url);

/** Which functions and workflows the workflows call, as the latest of their executions did. */
function useKnownCalls(functions: readonly LiveFunction[]) {
  const workflows = functions.filter(({ config }) => config.workflow === true);
  const looked = workflows.slice(0, WORKFLOWS_LOOKED_INTO);
  const graphs = useQueries({
    queries: looked.map(({ app, name }) => {
      const path = `/apps${pathOf(app, 'workflows', name, 'graph')}`;
      // It is learnt from histories: what it costs is asked for rarely.
      return { queryKey: [path], queryFn: () => get<'getWorkflowGraph'>(path), staleTime: 30_000 };
    }),
  });
  const calls = looked.flatMap(({ app, name }, at) =>
    (graphs[at]?.data?.nodes ?? []).flatMap(({ kind, label }): [from: string, to: string][] => {
      const called = kind === 'call' || kind === 'child' ? label.slice(kind.length + 1) : undefined;
      if (called === undefined) return [];
      return [[`f ${app}/${name}`, `f ${called.includes('/') ? called : `${app}/${called}`}`]];
    }),
  );
  return { calls, passedOver: workflows.length - looked.length };
}
