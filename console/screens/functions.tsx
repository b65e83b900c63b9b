import type { Activity, LiveFunction } from '../answers.ts';
import { FunctionDetail } from '../parts/function-detail.tsx';
import { seriesOf } from '../series-of.ts';
import { Empty, Loaded } from '../parts/panel.tsx';
import { Spark } from '../parts/plot.tsx';
import { Scroll } from '../parts/scroll.tsx';
import { useLive } from '../query-client.ts';
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
  const functions = useLive<'listFunctions'>('/functions');
  const activity = useLive<'getActivity'>('/activity?steps=60').data;
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

const textOf = ({ app, name, runtime, routes }: LiveFunction): string =>
  `${app} ${name} ${runtime} ${routes.map(({ method, path }) => `${method} ${path}`).join(' ')}`.toLowerCase();

function FunctionTable({
  items,
  activity,
}: {
  items: readonly LiveFunction[];
  activity: Activity | undefined;
}) {
  return (
    <Scroll>
      <table className="cards">
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
                <td className="nowrap title">
                  <Link to={path}>
                    <strong>{each.name}</strong>
                  </Link>
                  <div className="under">{each.app}</div>
                </td>
                <td className="mono line">
                  {each.routes.slice(0, 3).map((route) => (
                    <div key={`${route.method}${route.host}${route.path}`} className="nowrap">
                      <span className="method">{route.method}</span>
                      {route.host}
                      {route.path}
                    </div>
                  ))}
                </td>
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
