import { lazy, Suspense } from 'react';
import type { Activity, FunctionView, Instance, Invocation, List, Paged, TriggerView } from '../answers.ts';
import { callOf, InvocationRows, totalUs } from '../parts/invocation-rows.tsx';
import { Empty, Loaded, Panel } from '../parts/panel.tsx';
import { Bars, Dots, PlotFoot, type Step } from '../parts/plot.tsx';
import { useLive } from '../query-client.ts';
import { Link } from '../route.tsx';
import { clock, compact, dollars, duration, percent, plural, quantile } from '../show.ts';

const AppMap = lazy(async () => ({ default: (await import('../parts/app-map.tsx')).AppMap }));

/** Calls that the latencies are taken from: the newest ones. */
const SAMPLE = 400;
const MINUTES = 60;

export function Overview() {
  const activity = useLive<Activity>(`/activity?steps=${MINUTES}`).data;
  const recent = useLive<Paged<Invocation>>(`/invocations?limit=${SAMPLE}`);
  const functions = useLive<List<FunctionView>>('/functions').data;
  const triggers = useLive<List<TriggerView>>('/triggers').data;
  return (
    <>
      <div className="head">
        <h1>Overview</h1>
        <span className="soft">the last {MINUTES} minutes</span>
      </div>
      <Tiles activity={activity} recent={recent.data?.items ?? []} />
      <div className="grid">
        <Requests activity={activity} />
        <Latencies calls={recent.data?.items ?? []} />
        <Panel
          title="The app now"
          more={<span className="soft">what calls what, with calls and errors of the last hour</span>}
        >
          {functions === undefined ? null : functions.items.length === 0 ? (
            <Empty title="No app is live" run="npx lambent init my-app && npx lambent dev my-app">
              Deploy one, and it appears here.
            </Empty>
          ) : (
            <Suspense fallback={<p className="pad soft">Loading…</p>}>
              <AppMap functions={functions.items} triggers={triggers?.items ?? []} activity={activity} />
            </Suspense>
          )}
        </Panel>
        <Panel
          title="Latest invocations"
          more={
            <Link to="/invocations" className="link">
              all of them
            </Link>
          }
        >
          <Loaded
            query={recent}
            empty={<Empty title="Nothing was called yet" run={`curl ${location.origin}/`} />}
          >
            {(items) => <InvocationRows items={items.slice(0, 12)} />}
          </Loaded>
        </Panel>
      </div>
    </>
  );
}

function Tiles({ activity, recent }: { activity: Activity | undefined; recent: readonly Invocation[] }) {
  const pool = useLive<List<Instance> & { waiting: number }>('/instances').data;
  const sums = { invocations: 0, errors: 0, coldStarts: 0, awsCostUsd: 0 };
  for (const step of activity?.items ?? [])
    for (const each of step.functions)
      for (const key of Object.keys(sums) as (keyof typeof sums)[]) sums[key] += each[key];
  const sorted = latencies(recent);
  const shown = (share: number): string => {
    const us = quantile(sorted, share);
    return us === undefined ? '–' : duration(us);
  };
  return (
    <div className="tiles">
      <Tile name="Requests" value={compact(sums.invocations)} more="and other calls" />
      <Tile
        name="Errors"
        value={percent(sums.errors, sums.invocations)}
        more={plural(sums.errors, 'call')}
        bad={sums.errors > 0}
      />
      <Tile name="Latency p50" value={shown(0.5)} more={`of the last ${plural(recent.length, 'call')}`} />
      <Tile name="Latency p95" value={shown(0.95)} more={`p99 ${shown(0.99)}`} />
      <Tile
        name="Cold starts"
        value={compact(sums.coldStarts)}
        more={percent(sums.coldStarts, sums.invocations)}
      />
      <Tile
        name="Instances"
        value={pool === undefined ? '–' : String(pool.items.length)}
        more={`${pool?.waiting ?? 0} calls wait`}
      />
      <Tile name="At AWS Lambda" value={dollars(sums.awsCostUsd)} more="list price of the same calls" />
    </div>
  );
}

function Tile({
  name,
  value,
  more,
  bad = false,
}: {
  name: string;
  value: string;
  more: string;
  bad?: boolean;
}) {
  return (
    <div className="tile">
      <div className="name">{name}</div>
      <div className={`value ${bad ? 'bad' : ''}`}>{value}</div>
      <div className="more">{more}</div>
    </div>
  );
}

const latencies = (calls: readonly Invocation[]): number[] => calls.map(totalUs).sort((a, b) => a - b);

function Requests({ activity }: { activity: Activity | undefined }) {
  const steps: Step[] = (activity?.items ?? []).map(({ fromMs, functions }) => {
    const all = functions.reduce((sum, each) => sum + each.invocations, 0);
    const errors = functions.reduce((sum, each) => sum + each.errors, 0);
    return { fromMs, values: [all - errors, errors] };
  });
  const most = Math.max(0, ...steps.map(({ values }) => (values[0] ?? 0) + (values[1] ?? 0)));
  return (
    <Panel
      className="half"
      title="Calls a minute"
      more={
        <span className="legend">
          <span>
            <i className="bg-ok" />
            ended well
          </span>
          <span>
            <i className="bg-bad" />
            failed
          </span>
        </span>
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
        <PlotFoot steps={steps} most={`${compact(most)} a minute`} />
      </div>
    </Panel>
  );
}

function Latencies({ calls }: { calls: readonly Invocation[] }) {
  const dots = calls.map((each) => ({
    id: each.id,
    atMs: each.arrivedMs,
    value: totalUs(each),
    look: each.status === 'ok' ? (each.cold ? ('cold' as const) : ('ok' as const)) : ('bad' as const),
    title: `${each.app} ${each.function}  ${callOf(each)}  ${duration(totalUs(each))}`,
  }));
  const sorted = latencies(calls);
  const [newest, oldest] = [calls[0]?.arrivedMs, calls.at(-1)?.arrivedMs];
  return (
    <Panel
      className="half"
      title="Latency of each call"
      more={
        <span className="legend">
          <span>
            <i className="bg-ok" />
            warm
          </span>
          <span>
            <i className="bg-cold" />
            cold
          </span>
          <span>
            <i className="bg-bad" />
            failed
          </span>
        </span>
      }
    >
      <div className="pad">
        <Dots label={`Latency of the last ${calls.length} calls`} dots={dots} />
        <div className="row soft" style={{ justifyContent: 'space-between', fontSize: 12 }}>
          <span>{oldest === undefined ? '' : clock(oldest)}</span>
          <span>
            {sorted.length === 0
              ? ''
              : `${duration(sorted[0]!)} to ${duration(sorted.at(-1)!)}, in tenfold steps`}
          </span>
          <span>{newest === undefined ? '' : clock(newest)}</span>
        </div>
      </div>
    </Panel>
  );
}
