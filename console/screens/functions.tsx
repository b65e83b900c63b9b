import type { Activity, FunctionView, Instance, Invocation, List, Paged } from '../answers.ts';
import { queryOf } from '../api.ts';
import { Badge } from '../parts/badge.tsx';
import { InvocationRows } from '../parts/invocation-rows.tsx';
import { Json } from '../parts/json.tsx';
import { LogView } from '../parts/log-view.tsx';
import { Empty, Facts, Loaded, Panel, Problem } from '../parts/panel.tsx';
import { Spark } from '../parts/plot.tsx';
import { Scroll } from '../parts/scroll.tsx';
import { Tabs } from '../parts/tabs.tsx';
import { TestPanel } from '../parts/test-panel.tsx';
import { useLive } from '../query-client.ts';
import { go, Link, pathOf, setQuery, useRoute } from '../route.tsx';
import { compact, count, dateAndClock, duration, percent, plural, span } from '../show.ts';

export function Functions() {
  const { parts } = useRoute();
  const [, app, name] = parts;
  return app !== undefined && name !== undefined ? (
    <FunctionDetail app={app} name={name} />
  ) : (
    <FunctionList />
  );
}

function FunctionList() {
  const { query } = useRoute();
  const functions = useLive<List<FunctionView>>('/functions');
  const activity = useLive<Activity>('/activity?steps=60').data;
  const text = (query.text ?? '').toLowerCase();
  return (
    <>
      <div className="head">
        <h1>Functions</h1>
      </div>
      <div className="filters">
        <input
          type="search"
          className="field"
          aria-label="Search functions"
          placeholder="Search by name, app, runtime or route"
          value={query.text ?? ''}
          onChange={(event) => setQuery({ text: event.target.value })}
        />
      </div>
      <section className="panel">
        <Loaded
          query={functions}
          empty={
            <Empty title="No function is live" run="npx lambent init my-app && npx lambent dev my-app">
              A folder with a manifest becomes an app; its functions are listed here.
            </Empty>
          }
        >
          {(items) => (
            <FunctionTable items={items.filter((each) => textOf(each).includes(text))} activity={activity} />
          )}
        </Loaded>
      </section>
    </>
  );
}

const textOf = ({ app, name, runtime, routes }: FunctionView): string =>
  `${app} ${name} ${runtime} ${routes.map(({ method, path }) => `${method} ${path}`).join(' ')}`.toLowerCase();

function FunctionTable({
  items,
  activity,
}: {
  items: readonly FunctionView[];
  activity: Activity | undefined;
}) {
  return (
    <Scroll>
      <table>
        <thead>
          <tr>
            <th>Function</th>
            <th>Routes</th>
            <th>Runtime</th>
            <th>Deployment</th>
            <th className="num">Instances</th>
            <th>Last hour</th>
            <th className="num">Calls</th>
            <th className="num">Errors</th>
          </tr>
        </thead>
        <tbody>
          {items.map((each) => {
            const { values, bad } = seriesOf(activity, each);
            const calls = values.reduce((sum, value) => sum + value, 0);
            const errors = bad.reduce((sum, value) => sum + value, 0);
            const path = pathOf('functions', each.app, each.name);
            return (
              <tr key={`${each.app}/${each.name}/${each.deployment}`} className="go" onClick={() => go(path)}>
                <td className="nowrap">
                  <Link to={path}>
                    <strong>{each.name}</strong>
                  </Link>
                  <div className="under">{each.app}</div>
                </td>
                <td className="mono">
                  {each.routes.slice(0, 3).map((route) => (
                    <div key={`${route.method}${route.host}${route.path}`} className="nowrap">
                      <span className="method">{route.method}</span>
                      {route.host}
                      {route.path}
                    </div>
                  ))}
                </td>
                <td>{each.runtime}</td>
                <td className="nowrap">
                  d{each.deployment}
                  {each.weight === 100 ? null : <span className="soft"> {each.weight} %</span>}
                </td>
                <td className="num">{each.instances}</td>
                <td>
                  <Spark label={`${calls} calls in the last hour`} values={values} bad={bad} />
                </td>
                <td className="num">{compact(calls)}</td>
                <td className={`num ${errors > 0 ? 'bad' : ''}`}>
                  {errors === 0 ? '0' : percent(errors, calls)}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Scroll>
  );
}

function seriesOf(
  activity: Activity | undefined,
  { app, name }: FunctionView,
): { values: number[]; bad: number[] } {
  const rows = (activity?.items ?? []).map(({ functions }) =>
    functions.filter((each) => each.app === app && each.function === name),
  );
  const sum = (pick: (each: { invocations: number; errors: number }) => number): number[] =>
    rows.map((row) => row.reduce((total, each) => total + pick(each), 0));
  return { values: sum((each) => each.invocations), bad: sum((each) => each.errors) };
}

const TABS = [
  ['', 'Overview'],
  ['test', 'Test'],
  ['invocations', 'Invocations'],
  ['logs', 'Logs'],
] as const;

function FunctionDetail({ app, name }: { app: string; name: string }) {
  const { query } = useRoute();
  const found = useLive<FunctionView>(pathOf('apps', app, 'functions', name));
  const tab = query.tab ?? '';
  return (
    <>
      <div>
        <div className="crumb">
          <Link to="/functions">Functions</Link> / {app}
        </div>
        <div className="head">
          <h1>{name}</h1>
          {found.data === undefined ? null : <span className="badge">{found.data.runtime}</span>}
          {found.data === undefined ? null : <Badge status="live" text={`d${found.data.deployment}`} />}
        </div>
      </div>
      <Problem error={found.error} />
      <Tabs tabs={TABS} present={tab} />
      {found.data !== undefined && tab === '' ? <FunctionFacts view={found.data} /> : null}
      {found.data !== undefined && tab === 'test' ? <TestPanel view={found.data} /> : null}
      {tab === 'invocations' ? <FunctionInvocations app={app} name={name} /> : null}
      {tab === 'logs' ? <LogView filter={{ app, function: name }} live /> : null}
    </>
  );
}

function FunctionFacts({ view }: { view: FunctionView }) {
  const { app, name, config } = view;
  const { timeoutMs, memoryMb, env, ...rest } = config;
  const versions = useLive<List<FunctionView>>(`/functions${queryOf({ app })}`).data?.items.filter(
    (each) => each.name === name,
  ) ?? [view];
  return (
    <div className="grid">
      <Panel title="What it is" className="half">
        <div className="pad">
          <Facts
            facts={[
              [
                'Routes',
                view.routes.length === 0 ? (
                  <span key="none" className="soft">
                    none: it is called by triggers, other functions, or here
                  </span>
                ) : (
                  view.routes.map((route) => (
                    <div key={`${route.method}${route.path}`} className="mono">
                      <span className="method">{route.method}</span>
                      {route.host}
                      {route.path}
                    </div>
                  ))
                ),
              ],
              ['Version', <code key="version">{view.version}</code>],
              ['Time limit', duration(timeoutMs * 1_000)],
              ['Memory', `${count(memoryMb)} MB`],
              ['Kept up without work', <Kept key="kept" versions={versions} />],
              ['Calls at once', <CallsAtOnce key="calls" view={view} />],
              ['Traffic', versions.map((each) => `d${each.deployment} ${each.weight} %`).join(', ')],
              [
                'Variables',
                Object.keys(env).length === 0 ? (
                  <span key="none" className="soft">
                    none
                  </span>
                ) : (
                  Object.keys(env).join(', ')
                ),
              ],
            ]}
          />
        </div>
      </Panel>
      <Panel title="Configuration" className="half">
        <div className="pad">
          <Json label="Configuration" value={rest} />
        </div>
      </Panel>
      <InstanceTable app={app} name={name} />
    </div>
  );
}

/** Processes that stay, now and until when: each version has its own. */
function Kept({ versions }: { versions: readonly FunctionView[] }) {
  return versions.map(({ deployment, kept }) => (
    <div key={deployment}>
      {versions.length > 1 ? `d${deployment}: ` : null}
      {kept.instances === 0 ? <span className="soft">none</span> : plural(kept.instances, 'instance')}
      {kept.untilMs === undefined ? null : <span className="soft"> until {dateAndClock(kept.untilMs)}</span>}
    </div>
  ));
}

function CallsAtOnce({ view: { concurrency } }: { view: FunctionView }) {
  if (concurrency === undefined) return <span className="soft">not known before an instance runs</span>;
  return (
    <>
      {concurrency.calls} in an instance<span className="soft">: {concurrency.reason}</span>
    </>
  );
}

function InstanceTable({ app, name }: { app: string; name: string }) {
  const all = useLive<List<Instance>>('/instances');
  const own = all.data?.items.filter((each) => each.app === app && each.function === name) ?? [];
  return (
    <Panel title="Instances" more={<span className="soft">its processes now</span>}>
      {own.length === 0 ? (
        <Empty title="None runs">The next call starts one.</Empty>
      ) : (
        <Scroll>
          <table>
            <thead>
              <tr>
                <th>State</th>
                <th>Instance</th>
                <th className="num">Process</th>
                <th className="num">Age</th>
                <th className="num">Calls now</th>
                <th className="num">at most</th>
                <th className="num">Served</th>
                <th className="num">Peak memory</th>
              </tr>
            </thead>
            <tbody>
              {own.map((each) => (
                <tr key={each.id}>
                  <td>
                    <Badge status={each.state} />
                    {each.kept ? <span className="soft"> kept</span> : null}
                  </td>
                  <td className="mono">{each.id}</td>
                  <td className="num">{each.pid}</td>
                  <td className="num">{span(Date.now() - each.startedMs)}</td>
                  <td className="num">{each.activeInvocations}</td>
                  <td className="num" title={each.concurrencyReason}>
                    {each.concurrency === 0 ? '' : each.concurrency}
                  </td>
                  <td className="num">{count(each.servedInvocations)}</td>
                  <td className="num">{Math.round(each.memoryPeakMb)} MB</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Panel>
  );
}

function FunctionInvocations({ app, name }: { app: string; name: string }) {
  const found = useLive<Paged<Invocation>>(`/invocations${queryOf({ app, function: name, limit: 200 })}`);
  return (
    <Panel
      title="Invocations"
      more={
        <Link className="link" to={`/invocations${queryOf({ app, function: name })}`}>
          filter them
        </Link>
      }
    >
      <Loaded query={found} empty={<Empty title="It was not called yet">Call it in the Test tab.</Empty>}>
        {(items) => <InvocationRows items={items} />}
      </Loaded>
    </Panel>
  );
}
