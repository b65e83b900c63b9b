import { useState } from 'react';
import type { Activity } from '../answers.ts';
import { queryOf } from '../api.ts';
import { Empty, Panel, Problem } from '../parts/panel.tsx';
import { Bars } from '../parts/plot.tsx';
import { Scroll } from '../parts/scroll.tsx';
import { useLive } from '../query-client.ts';
import { setQuery, useRoute } from '../route.tsx';
import { type PricedUse, shareCosts, sumUse, type UseSums } from '../share-costs.ts';
import { compact, count, day, dollars, percent } from '../show.ts';

const DAY_MINUTES = 1_440;
const SPANS = ['7', '30', '90'] as const;
const MB_MS_IN_GB_S = 1_024 * 1_000;
const MACHINE_KEY = 'lambent-machine-usd-month';
/** A single call costs less than a cent's hundredth: small amounts are written to the millionth of a dollar. */
const money = (usd: number): string => dollars(usd, 0.000001);
const gbSeconds = ({ billedMbMs }: UseSums): number => billedMbMs / MB_MS_IN_GB_S;
const showGbSeconds = (value: number): string =>
  `${value === 0 ? 0 : value < 10 ? value.toPrecision(2) : compact(value)} GB-s`;

/** Use by app, function and day, beside its price at AWS Lambda and, where that is known, of this machine. */
export function Costs() {
  const { cpu = 'x86_64', days = '30' } = useRoute().query;
  const [machine, setMachine] = useState(localStorage.getItem(MACHINE_KEY) ?? '');
  const { data, error } = useLive<'getActivity'>(
    `/activity${queryOf({ cpu, stepMinutes: DAY_MINUTES, steps: days })}`,
  );
  return (
    <>
      <div className="head">
        <h1>Costs</h1>
        <span className="soft">
          {data === undefined
            ? ''
            : `list price of ${data.priceTable.region} as of ${data.priceTable.date}, without the free tier`}
        </span>
        <span className="grow" />
        <MachinePrice value={machine} onChange={setMachine} />
        <Choice label="Days" name="days" value={days} among={SPANS} text={(each) => `${each} days`} />
        <Choice label="Processor" name="cpu" value={cpu} among={['x86_64', 'arm64']} text={(each) => each} />
      </div>
      <Problem error={error} />
      {data === undefined ? null : data.items.every(({ functions }) => functions.length === 0) ? (
        <section className="panel">
          <Empty title={`Nothing was called in ${days} days`} run={`curl ${location.origin}/`}>
            Each call adds to its function's use.
          </Empty>
        </section>
      ) : (
        <Uses days={data.items} machineUsdMonth={Math.max(0, Number(machine) || 0)} />
      )}
    </>
  );
}

/** Plots and tables; the address says which app or function (`of`) and which day they are narrowed to. */
function Uses({ days, machineUsdMonth }: { days: Activity['items']; machineUsdMonth: number }) {
  const { of = '', day: chosen } = useRoute().query;
  const priced = shareCosts(days, machineUsdMonth, Date.now());
  const isShown = ({ app, function: name }: PricedUse): boolean => ['', app, `${app}/${name}`].includes(of);
  const rows = priced.map(({ fromMs, hereUsd, functions }) => {
    const use = sumUse(functions.filter(isShown));
    // All that the machine cost belongs to the whole, a day without a call included.
    return { fromMs, use: of === '' ? { ...use, hereUsd } : use };
  });
  const before = days.slice(0, -rows.length).map(({ fromMs }) => ({ fromMs, use: sumUse([]) }));
  const plotted = [...before, ...rows];
  const ofDay = priced.filter(({ fromMs }) => chosen === undefined || String(fromMs) === chosen);
  const suffix = of === '' ? '' : `, ${of}`;
  const hasPrice = machineUsdMonth > 0;
  return (
    <div className="grid">
      <Plot title={`Use a day${suffix}`} rows={plotted} value={gbSeconds} show={showGbSeconds} />
      <Plot
        title={`The same at AWS Lambda, a day${suffix}`}
        rows={plotted}
        value={(use) => use.awsCostUsd}
        show={money}
      />
      <UsePanel
        title={`By app and function${chosen === undefined ? '' : `, on ${day(Number(chosen))}`}`}
        note={
          hasPrice
            ? 'Here: a day of the machine, shared by billed time times memory; one without a call is nobody’s'
            : 'press a name to see it alone'
        }
        all={chosen === undefined ? undefined : { text: 'All days', changes: { day: undefined } }}
        first="App and function"
        hasPrice={hasPrice}
        rows={byAppAndFunction(ofDay.flatMap(({ functions }) => functions)).map((row) => ({
          ...row,
          ...{ isChosen: of === row.key, changes: { of: row.key } },
        }))}
      />
      <UsePanel
        title={`By day${suffix}`}
        all={of === '' ? undefined : { text: 'All functions', changes: { of: undefined } }}
        first="Day (UTC)"
        hasPrice={hasPrice}
        rows={rows.toReversed().map(({ fromMs, use }) => ({
          ...{ key: String(fromMs), name: day(fromMs), use },
          ...{ isChosen: chosen === String(fromMs), changes: { day: String(fromMs) } },
        }))}
      />
    </div>
  );
}

function MachinePrice({ value, onChange }: { value: string; onChange(value: string): void }) {
  return (
    <label className="row soft" title="Kept in this browser alone">
      this machine costs $
      <input
        className="field"
        type="number"
        min="0"
        step="any"
        style={{ width: 84 }}
        value={value}
        onChange={(event) => {
          localStorage.setItem(MACHINE_KEY, event.target.value);
          onChange(event.target.value);
        }}
      />
      a month
    </label>
  );
}

function Choice(props: {
  label: string;
  name: string;
  value: string;
  among: readonly string[];
  text(value: string): string;
}) {
  return (
    <select
      className="field"
      aria-label={props.label}
      value={props.value}
      onChange={(event) => setQuery({ [props.name]: event.target.value, day: undefined })}
    >
      {props.among.map((each) => (
        <option key={each} value={each}>
          {props.text(each)}
        </option>
      ))}
    </select>
  );
}

function Plot(props: {
  title: string;
  rows: readonly { fromMs: number; use: UseSums }[];
  value(use: UseSums): number;
  show(value: number): string;
}) {
  const steps = props.rows.map(({ fromMs, use }) => ({ fromMs, values: [props.value(use)] }));
  return (
    <Panel title={props.title} className="half">
      <div className="pad">
        <Bars
          label={props.title}
          steps={steps}
          layers={[{ name: 'sum', look: 'mark' }]}
          show={props.show}
          when={day}
        />
      </div>
    </Panel>
  );
}

interface UseRow {
  readonly key: string;
  readonly name: string;
  /** Part of the row above it. */
  readonly isPart?: boolean;
  readonly use: UseSums;
}

/** Each app, and below it its functions, by name. */
function byAppAndFunction(uses: readonly PricedUse[]): readonly UseRow[] {
  return byName(Map.groupBy(uses, ({ app }) => app)).flatMap(([app, ofApp]) => [
    { key: app, name: app, use: sumUse(ofApp) },
    ...byName(Map.groupBy(ofApp, (each) => each.function)).map(([name, all]) => ({
      ...{ key: `${app}/${name}`, name, isPart: true, use: sumUse(all) },
    })),
  ]);
}

const byName = <Value,>(map: Map<string, Value>): [string, Value][] =>
  [...map].sort(([one], [other]) => (one < other ? -1 : 1));

/** A table of use; a row that is chosen narrows the other table and the plots to it. */
function UsePanel(props: {
  title: string;
  note?: string;
  all: { text: string; changes: Record<string, undefined> } | undefined;
  first: string;
  hasPrice: boolean;
  rows: readonly (UseRow & { isChosen: boolean; changes: Record<string, string> })[];
}) {
  const { all, hasPrice } = props;
  return (
    <Panel
      title={props.title}
      more={
        <>
          <span className="soft grow">{props.note}</span>
          {all === undefined ? null : (
            <button type="button" className="btn small" onClick={() => setQuery(all.changes)}>
              {all.text}
            </button>
          )}
        </>
      }
    >
      <Scroll>
        <table className="cards" aria-label={props.title}>
          <thead>
            <tr>
              <th>{props.first}</th>
              <th className="num">Calls</th>
              <th className="num">Failed</th>
              <th className="num">Cold</th>
              <th className="num">Billed time</th>
              <th className="num">Use</th>
              {hasPrice ? <th className="num">Here</th> : null}
              <th className="num">At AWS Lambda</th>
            </tr>
          </thead>
          <tbody>
            {props.rows.map(({ key, name, isPart, use, isChosen, changes }) => (
              <tr key={key}>
                <td className="title" style={isPart ? { paddingLeft: 32 } : undefined}>
                  <button
                    type="button"
                    className="link"
                    aria-pressed={isChosen}
                    onClick={() => setQuery(changes)}
                  >
                    {isPart ? name : <strong>{name}</strong>}
                  </button>
                </td>
                <UseCells use={use} hasPrice={hasPrice} />
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

function UseCells({ use, hasPrice }: { use: UseSums; hasPrice: boolean }) {
  return (
    <>
      <td className="num" data-label="Calls">
        {count(use.invocations)}
      </td>
      <td className="num" data-label="Failed">
        {percent(use.errors, use.invocations)}
      </td>
      <td className="num" data-label="Cold">
        {count(use.coldStarts)}
      </td>
      <td className="num extra">{count(Math.round(use.billedMs))} ms</td>
      <td className="num" data-label="Use">
        {showGbSeconds(gbSeconds(use))}
      </td>
      {hasPrice ? (
        <td className="num" data-label="Here">
          {money(use.hereUsd)}
        </td>
      ) : null}
      <td className="num right">{money(use.awsCostUsd)}</td>
    </>
  );
}
