import type { Activity, Usage } from '../answers.ts';
import { queryOf } from '../api.ts';
import { Empty, Loaded, Panel } from '../parts/panel.tsx';
import { Bars, PlotFoot } from '../parts/plot.tsx';
import { Scroll } from '../parts/scroll.tsx';
import { useLive } from '../query-client.ts';
import { setQuery, useRoute } from '../route.tsx';
import { count, dollars, percent } from '../show.ts';

const DAY_MINUTES = 1_440;

/** Use per function and day, and what the same calls would cost at AWS Lambda. */
export function Costs() {
  const { cpu = 'x86_64' } = useRoute().query;
  const usage = useLive<Usage>(`/usage${queryOf({ cpu })}`);
  const days = useLive<Activity>(`/activity?stepMinutes=${DAY_MINUTES}&steps=14`).data?.items ?? [];
  const steps = days.map(({ fromMs, functions }) => ({
    fromMs,
    values: [functions.reduce((sum, each) => sum + each.awsCostUsd, 0)],
  }));
  const prices = usage.data?.priceTable;
  return (
    <>
      <div className="head">
        <h1>Costs</h1>
        <span className="soft">
          the last 7 days
          {prices === undefined
            ? ''
            : `; list price of ${prices.region} as of ${prices.date}, without the free tier`}
        </span>
        <span className="grow" />
        <select
          className="field"
          aria-label="Processor"
          value={cpu}
          onChange={(event) => setQuery({ cpu: event.target.value })}
        >
          <option value="x86_64">x86_64</option>
          <option value="arm64">arm64</option>
        </select>
      </div>
      <Panel title="The same at AWS Lambda, a day">
        <div className="pad">
          <Bars
            label="Cost a day at AWS Lambda"
            steps={steps}
            layers={[{ name: 'cost', look: 'mark' }]}
            show={dollars}
          />
          <PlotFoot
            steps={steps}
            most={`${dollars(Math.max(0, ...steps.map(({ values }) => values[0] ?? 0)))} a day`}
          />
        </div>
      </Panel>
      <Panel title="By function">
        <Loaded
          query={usage}
          empty={<Empty title="Nothing was called yet">Each call adds to its function's use.</Empty>}
        >
          {() => <UsageTable usage={usage.data!} />}
        </Loaded>
      </Panel>
    </>
  );
}

function UsageTable({ usage }: { usage: Usage }) {
  const { items, totals } = usage;
  return (
    <Scroll>
      <table>
        <thead>
          <tr>
            <th>Function</th>
            <th className="num">Calls</th>
            <th className="num">Failed</th>
            <th className="num">Cold</th>
            <th className="num">Billed time</th>
            <th className="num">Memory</th>
            <th className="num">At AWS Lambda</th>
          </tr>
        </thead>
        <tbody>
          {items.map((row) => (
            <tr key={`${row.app}/${row.function}/${row.memoryMb}`}>
              <td>
                <strong>{row.function}</strong> <span className="soft">{row.app}</span>
              </td>
              <td className="num">{count(row.invocations)}</td>
              <td className="num">{percent(row.errors, row.invocations)}</td>
              <td className="num">{count(row.coldStarts)}</td>
              <td className="num">{count(Math.round(row.billedMs))} ms</td>
              <td className="num">{row.memoryMb} MB</td>
              <td className="num">{dollars(row.awsCostUsd)}</td>
            </tr>
          ))}
          <tr>
            <td>
              <strong>All</strong>
            </td>
            <td className="num">{count(totals.invocations)}</td>
            <td className="num">{percent(totals.errors, totals.invocations)}</td>
            <td className="num">{count(totals.coldStarts)}</td>
            <td className="num">{count(Math.round(totals.billedMs))} ms</td>
            <td />
            <td className="num">
              <strong>{dollars(totals.awsCostUsd)}</strong>
            </td>
          </tr>
        </tbody>
      </table>
    </Scroll>
  );
}
