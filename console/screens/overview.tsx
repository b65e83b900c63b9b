import { lazy, type ReactNode, Suspense } from 'react';
import type { Activity, LatencyHour } from '../answers.ts';
import { Attention } from '../parts/attention.tsx';
import { InvocationRows } from '../parts/invocation-rows.tsx';
import { LatencyPlot, PERCENTILES } from '../parts/latency-plot.tsx';
import { Empty, Loaded, Panel } from '../parts/panel.tsx';
import { Bars, Spark, type Step } from '../parts/plot.tsx';
import { useAll, useLive } from '../query-client.ts';
import { Link } from '../route.tsx';
import { compact, dollars, duration, percent } from '../show.ts';

/** What draws graphs is much: the figures and plots do not wait for it. */
const AppMap = lazy(async () => ({ default: (await import('../parts/app-map.tsx')).AppMap }));

/** Of the newest calls, as a beginning. */
const SHOWN = 12;
const MINUTES = 60;
/** What is shown instead, as long as nothing is older. */
const MINUTES_NEW = 15;
/** A single call costs less than a cent's hundredth. */
const money = (usd: number): string => dollars(usd, 0.000001);

const SUMS = ['invocations', 'errors', 'coldStarts', 'awsCostUsd'] as const;
type Sums = Record<(typeof SUMS)[number], number>;

interface Minute extends Sums {
  readonly fromMs: number;
}

export function Overview() {
  const activity = useLive<'getActivity'>(`/activity?steps=${MINUTES}`).data;
  const recent = useLive<'listInvocations'>(`/invocations?limit=${SHOWN}`);
  const latency = useLive<'getLatency'>('/latency').data;
  const functions = useAll<'listFunctions'>('/functions').data;
  const triggers = useAll<'listTriggers'>('/triggers').data;
  const minutes = minutesOf(activity);
  return (
    <>
      <div className="head">
        <h1>Overview</h1>
        <span className="soft">the last {minutes.length || MINUTES} minutes</span>
      </div>
      <Tiles minutes={minutes} latency={latency} />
      <Attention activity={activity} triggers={triggers?.items ?? []} />
      <Panel
        title="The app now"
        more={
          <>
            <span className="soft grow">what calls what, and how often within the last minute</span>
            <span className="legend">
              <Key look="bg-mark" text="flows" />
              <Key look="bg-bad" text="fails" />
            </span>
          </>
        }
      >
        {functions === undefined ? (
          <div className="graph" />
        ) : functions.items.length === 0 ? (
          <Empty title="No app is live" run="npx lambent init my-app && npx lambent dev my-app">
            Deploy one, and it appears here.
          </Empty>
        ) : (
          <Suspense fallback={<p className="pad soft">Loading…</p>}>
            <AppMap functions={functions.items} triggers={triggers?.items ?? []} activity={activity} />
          </Suspense>
        )}
      </Panel>
      <Plots minutes={minutes} latency={latency} />
      <Panel
        title="Latest invocations"
        more={
          <>
            <span className="grow" />
            <Link to="/invocations" className="link">
              all of them
            </Link>
          </>
        }
      >
        <Loaded
          query={recent}
          empty={<Empty title="Nothing was called yet" run={`curl ${location.origin}/`} />}
        >
          {(items) => <InvocationRows items={items} />}
        </Loaded>
      </Panel>
    </>
  );
}

/** Sums of all functions by the minute; of a platform that is new only those since it is. */
function minutesOf(activity: Activity | undefined): readonly Minute[] {
  const all = (activity?.items ?? []).map(({ fromMs, functions }) => {
    const sums: Sums = { invocations: 0, errors: 0, coldStarts: 0, awsCostUsd: 0 };
    for (const each of functions) for (const key of SUMS) sums[key] += each[key];
    return { fromMs, ...sums };
  });
  const isNew = all.slice(0, -MINUTES_NEW).every(({ invocations }) => invocations === 0);
  return isNew ? all.slice(-MINUTES_NEW) : all;
}

function Tiles({ minutes, latency }: { minutes: readonly Minute[]; latency: LatencyHour | undefined }) {
  const pool = useAll<'listInstances'>('/instances').data;
  const series = (key: keyof Sums): number[] => minutes.map((each) => each[key]);
  const sum = (key: keyof Sums): number => series(key).reduce((total, value) => total + value, 0);
  const [calls, errors, cold] = [sum('invocations'), sum('errors'), sum('coldStarts')];
  const shown = (us: number | undefined): string => (us ? duration(us) : '–');
  const all = latency?.all;
  const none = minutes.map(() => 0);
  return (
    <div className="tiles">
      <Tile
        name="Calls"
        value={compact(calls)}
        more={<Spark label="Calls a minute" values={series('invocations')} bad={series('errors')} />}
      />
      <Tile
        name="Failed"
        value={percent(errors, calls)}
        bad={errors > 0}
        to={errors > 0 ? '/invocations?status=error' : undefined}
        more={<Spark label="Failed calls a minute" values={series('errors')} bad={series('errors')} />}
      />
      <Tile name="Latency p50" value={shown(all?.p50Us)} more="the median" />
      <Tile name="Latency p95" value={shown(all?.p95Us)} more={`p99 ${shown(all?.p99Us)}`} />
      <Tile
        name="Cold starts"
        value={compact(cold)}
        more={<Spark label="Cold starts a minute" values={series('coldStarts')} bad={none} />}
      />
      <Tile
        name="Instances"
        value={pool === undefined ? '–' : String(pool.items.length)}
        more={pool === undefined ? '' : pool.waiting === 0 ? 'no call waits' : `${pool.waiting} calls wait`}
      />
      <Tile name="At AWS Lambda" value={money(sum('awsCostUsd'))} more="at its list price" />
    </div>
  );
}

function Tile(props: {
  name: string;
  value: string;
  more: ReactNode;
  bad?: boolean;
  to?: string | undefined;
}) {
  const [figure, unit] = props.value.split(' ');
  const content = (
    <>
      <div className="name">{props.name}</div>
      <div className={`value ${props.bad === true ? 'bad' : ''}`}>
        {figure}
        {unit === undefined ? null : <small>{unit}</small>}
      </div>
      <div className="more">{props.more}</div>
    </>
  );
  return props.to === undefined ? (
    <div className="tile">{content}</div>
  ) : (
    <Link className="tile" to={props.to}>
      {content}
    </Link>
  );
}

function Plots({ minutes, latency }: { minutes: readonly Minute[]; latency: LatencyHour | undefined }) {
  const steps = (pick: (minute: Minute) => readonly number[]): Step[] =>
    minutes.map((minute) => ({ fromMs: minute.fromMs, values: pick(minute) }));
  return (
    <div className="grid">
      <Plot
        title="Calls a minute"
        keys={[
          ['bg-ok', 'well'],
          ['bg-bad', 'failed'],
        ]}
      >
        <Bars
          label="Calls a minute"
          steps={steps(({ invocations, errors }) => [invocations - errors, errors])}
          show={compact}
          layers={[
            { name: 'ended well', look: 'ok' },
            { name: 'failed', look: 'bad' },
          ]}
        />
      </Plot>
      <Plot title="Latency" keys={PERCENTILES.map(({ name, tone }) => [`bg-${tone}`, name] as const)}>
        <LatencyPlot latency={latency} minutes={minutes.length} />
      </Plot>
      <Plot title="Cold starts a minute">
        <Bars
          label="Cold starts a minute"
          steps={steps(({ coldStarts }) => [coldStarts])}
          show={compact}
          layers={[{ name: 'cold starts', look: 'cold' }]}
        />
      </Plot>
      <Plot title="At AWS Lambda, a minute">
        <Bars
          label="At AWS Lambda, a minute"
          steps={steps(({ awsCostUsd }) => [awsCostUsd])}
          show={money}
          layers={[{ name: 'list price', look: 'mark' }]}
        />
      </Plot>
    </div>
  );
}

function Plot(props: { title: string; keys?: readonly (readonly [string, string])[]; children: ReactNode }) {
  return (
    <Panel
      className="quarter"
      title={props.title}
      more={
        props.keys === undefined ? undefined : (
          <span className="legend">
            {props.keys.map(([look, text]) => (
              <Key key={text} look={look} text={text} />
            ))}
          </span>
        )
      }
    >
      <div className="pad">{props.children}</div>
    </Panel>
  );
}

const Key = ({ look, text }: { look: string; text: string }) => (
  <span>
    <i className={look} />
    {text}
  </span>
);
