import type { LiveFunction } from '../answers.ts';
import { queryOf } from '../api.ts';
import { useAll, useLive } from '../query-client.ts';
import { Link, pathOf, useRoute } from '../route.tsx';
import { seriesOf } from '../series-of.ts';
import { settingsOf } from '../settings-of.ts';
import { compact, count, dateAndClock, duration, percent, plural, span } from '../show.ts';
import { Badge } from './badge.tsx';
import { InvocationRows } from './invocation-rows.tsx';
import { LatencyPlot, PERCENTILES } from './latency-plot.tsx';
import { LogView } from './log-view.tsx';
import { Empty, Facts, Loaded, Panel, Problem } from './panel.tsx';
import { Bars } from './plot.tsx';
import { Scroll } from './scroll.tsx';
import { Tabs } from './tabs.tsx';
import { TestPanel } from './test-panel.tsx';
import { MermaidText } from './workflow-checks.tsx';

const TABS = [
  ['', 'Overview'],
  ['test', 'Test'],
  ['invocations', 'Invocations'],
  ['logs', 'Logs'],
] as const;

/** One function: what it does now, how it is set up, where it runs; its test, its calls, its log. */
export function FunctionDetail({ app, name }: { app: string; name: string }) {
  const { query } = useRoute();
  const found = useLive<'getFunction'>(pathOf('apps', app, 'functions', name));
  const tab = query.tab ?? '';
  return (
    <>
      <div>
        <div className="crumb">
          <Link to="/functions">Functions</Link> / {app}
        </div>
        <div className="head">
          <h1>{name}</h1>
          {found.data === undefined ? null : (
            <span className="badge">
              {found.data.config.workflow === true ? 'workflow' : found.data.runtime}
            </span>
          )}
          {found.data === undefined ? null : <Badge status="live" text={`d${found.data.deployment}`} />}
          <span className="grow" />
          {found.data?.config.workflow === true ? <MermaidText app={app} workflow={name} /> : null}
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

function FunctionFacts({ view }: { view: LiveFunction }) {
  const { app, name } = view;
  const versions = useAll<'listFunctions'>(`/functions${queryOf({ app })}`).data?.items.filter(
    (each) => each.name === name,
  ) ?? [view];
  return (
    <div className="grid">
      <LastHour view={view} />
      <FunctionLatency app={app} name={name} />
      <Panel title="What it is" className="half">
        <div className="pad">
          <Facts
            facts={[
              ['Routes', <Routes key="routes" view={view} />],
              ['Version', <code key="version">{view.version}</code>],
              ['Traffic', versions.map((each) => `d${each.deployment} ${each.weight} %`).join(', ')],
              ['Kept up without work', <Kept key="kept" versions={versions} />],
              ['Calls at once', <CallsAtOnce key="calls" view={view} />],
            ]}
          />
        </div>
      </Panel>
      <Panel title="Configuration" className="half">
        <div className="pad">
          <Facts facts={settingsOf(view.config)} />
        </div>
      </Panel>
      <InstanceTable app={app} name={name} />
    </div>
  );
}

function LastHour({ view }: { view: LiveFunction }) {
  const activity = useLive<'getActivity'>('/activity?steps=60').data;
  const { values, bad } = seriesOf(activity, view);
  const steps = (activity?.items ?? []).map(({ fromMs }, at) => ({
    fromMs,
    values: [values[at]! - bad[at]!, bad[at]!],
  }));
  const [calls, errors] = [values, bad].map((all) => all.reduce((sum, value) => sum + value, 0));
  return (
    <Panel
      title="Calls a minute"
      more={
        <>
          <span className="soft grow">
            {plural(calls!, 'call')} within the last hour, {percent(errors!, calls!)} failed
          </span>
          <span className="legend">
            <span>
              <i className="bg-ok" />
              well
            </span>
            <span>
              <i className="bg-bad" />
              failed
            </span>
          </span>
        </>
      }
    >
      <div className="pad">
        <Bars
          label="Calls a minute"
          steps={steps}
          show={compact}
          layers={[
            { name: 'ended well', look: 'ok' },
            { name: 'failed', look: 'bad' },
          ]}
        />
      </div>
    </Panel>
  );
}

function FunctionLatency({ app, name }: { app: string; name: string }) {
  const latency = useLive<'getLatency'>(`/latency${queryOf({ app, function: name })}`).data;
  return (
    <Panel
      title="Latency"
      more={
        <>
          <span className="soft grow">from arrival to end, by the minute</span>
          <span className="legend">
            {PERCENTILES.map(({ name: title, key, tone }) => (
              <span key={title}>
                <i className={`bg-${tone}`} />
                {title} {latency === undefined || latency.all.calls === 0 ? '' : duration(latency.all[key])}
              </span>
            ))}
          </span>
        </>
      }
    >
      <div className="pad">
        <LatencyPlot latency={latency} minutes={60} />
      </div>
    </Panel>
  );
}

function Routes({ view: { routes } }: { view: LiveFunction }) {
  if (routes.length === 0)
    return <span className="soft">none: it is called by triggers, other functions, or here</span>;
  return routes.map((route) => (
    <div key={`${route.method}${route.path}`} className="mono">
      <span className="method">{route.method}</span>
      {route.host}
      {route.path}
    </div>
  ));
}

/** Processes that stay, now and until when: each version has its own. */
function Kept({ versions }: { versions: readonly LiveFunction[] }) {
  return versions.map(({ deployment, kept }) => (
    <div key={deployment}>
      {versions.length > 1 ? `d${deployment}: ` : null}
      {kept.instances === 0 ? <span className="soft">none</span> : plural(kept.instances, 'instance')}
      {kept.untilMs === undefined ? null : <span className="soft"> until {dateAndClock(kept.untilMs)}</span>}
    </div>
  ));
}

function CallsAtOnce({ view: { concurrency } }: { view: LiveFunction }) {
  if (concurrency === undefined) return <span className="soft">not known before an instance runs</span>;
  return (
    <>
      {concurrency.calls} in an instance<span className="soft">: {concurrency.reason}</span>
    </>
  );
}

function InstanceTable({ app, name }: { app: string; name: string }) {
  const all = useAll<'listInstances'>('/instances');
  const own = all.data?.items.filter((each) => each.app === app && each.function === name) ?? [];
  return (
    <Panel title="Instances" more={<span className="soft">its processes now</span>}>
      {own.length === 0 ? (
        <Empty title="None runs">The next call starts one.</Empty>
      ) : (
        <Scroll>
          <table className="cards">
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
                  <td className="right">
                    <Badge status={each.state} />
                    {each.kept ? <span className="soft"> kept</span> : null}
                  </td>
                  <td className="mono title">{each.id}</td>
                  <td className="num" data-label="Process">
                    {each.pid}
                  </td>
                  <td className="num" data-label="Age">
                    {span(Date.now() - each.startedMs)}
                  </td>
                  <td className="num" data-label="Calls now">
                    {each.activeInvocations}
                  </td>
                  <td className="num" title={each.concurrencyReason} data-label="at most">
                    {each.concurrency === 0 ? '' : each.concurrency}
                  </td>
                  <td className="num" data-label="Served">
                    {count(each.servedInvocations)}
                  </td>
                  <td className="num" data-label="Peak memory">
                    {Math.round(each.memoryPeakMb)} MB
                  </td>
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
  const found = useLive<'listInvocations'>(`/invocations${queryOf({ app, function: name, limit: 200 })}`);
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
