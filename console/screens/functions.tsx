import type { Activity, LiveFunction, Trigger } from '../answers.ts';
import { FunctionDetail } from '../parts/function-detail.tsx';
import { seriesOf } from '../series-of.ts';
import { Empty, Loaded } from '../parts/panel.tsx';
import { Spark } from '../parts/plot.tsx';
import { Scroll } from '../parts/scroll.tsx';
import { useAll, useLive } from '../query-client.ts';
import { go, Link, pathOf, setQuery, useRoute } from '../route.tsx';
import { compact, percent } from '../show.ts';

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
  const functions = useAll<'listFunctions'>('/functions');
  const activity = useLive<'getActivity'>('/activity?steps=60').data;
  const triggers = useAll<'listTriggers'>('/triggers').data?.items ?? [];
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
            <FunctionTable
              items={items.filter((each) => textOf(each).includes(text))}
              activity={activity}
              triggers={triggers}
            />
          )}
        </Loaded>
      </section>
    </>
  );
}

const textOf = ({ app, name, runtime, routes }: LiveFunction): string =>
  `${app} ${name} ${runtime} ${routes.map(({ method, path }) => `${method} ${path}`).join(' ')}`.toLowerCase();

/** Routes, and triggers, of a function that are named. */
const STARTS_SHOWN = 3;

function FunctionTable(props: {
  items: readonly LiveFunction[];
  activity: Activity | undefined;
  triggers: readonly Trigger[];
}) {
  const { items, activity } = props;
  const triggers = Map.groupBy(
    // What only outcomes of others reach is no source of its own.
    props.triggers.filter(({ source }) => source?.kind !== 'destination'),
    ({ id, function: name }) => `${id.split('/')[0]}/${name}`,
  );
  return (
    <Scroll>
      <table className="cards">
        <thead>
          <tr>
            <th>Function</th>
            <th>Started by</th>
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
                <td className="nowrap title">
                  <Link to={path}>
                    <strong>{each.name}</strong>
                  </Link>
                  <div className="under">{each.app}</div>
                </td>
                <StartsCell view={each} triggers={triggers.get(`${each.app}/${each.name}`) ?? []} />
                <td className="nowrap extra">{each.config.workflow === true ? 'workflow' : each.runtime}</td>
                <td className="nowrap" data-label="Deployment">
                  d{each.deployment}
                  {each.weight === 100 ? null : <span className="soft"> {each.weight} %</span>}
                </td>
                <td className="num" data-label="Instances">
                  {each.instances}
                </td>
                <td className="right">
                  <Spark label={`${calls} calls in the last hour`} values={values} bad={bad} />
                </td>
                <td className="num" data-label="Calls">
                  {compact(calls)}
                </td>
                <td className={`num ${errors > 0 ? 'bad' : ''}`} data-label="Errors">
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

function StartsCell({ view, triggers }: { view: LiveFunction; triggers: readonly Trigger[] }) {
  return (
    <td className="mono line">
      {view.routes.slice(0, STARTS_SHOWN).map(({ method, host, path }) => (
        <div key={`${method}${host}${path}`} className="nowrap">
          <span className="method">{method}</span>
          {host}
          {path}
        </div>
      ))}
      {triggers.slice(0, STARTS_SHOWN).map(({ id, source }) => (
        <div key={id} className="nowrap">
          <span className="method">{source?.kind ?? 'gone'}</span>
          {id.slice(id.indexOf('/') + 1)}
        </div>
      ))}
    </td>
  );
}
