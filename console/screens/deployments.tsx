import { useEffect, useState } from 'react';
import type { App, Deployment, DeploymentSummary } from '../answers.ts';
import { call } from '../api.ts';
import { type Change, compareDeployments } from '../compare-deployments.ts';
import { ActButton } from '../parts/ask.tsx';
import { Badge } from '../parts/badge.tsx';
import { DeployPanel } from '../parts/deploy-panel.tsx';
import { Empty, Loaded, Panel, Problem } from '../parts/panel.tsx';
import { Scroll } from '../parts/scroll.tsx';
import { type Packing, takeDrop } from '../pack-folder.ts';
import { useAll, useLive } from '../query-client.ts';
import { go, Link, pathOf, setQuery, useRoute } from '../route.tsx';
import { count, dateAndClock, exact, plural } from '../show.ts';

export function Deployments() {
  const { parts } = useRoute();
  const [, app, number] = parts;
  if (app !== undefined && number !== undefined) return <DeploymentView app={app} number={Number(number)} />;
  return <DeploymentList />;
}

/** What is dropped anywhere on the screen, with how often that happened. */
interface Drop {
  readonly dropped?: Packing;
  readonly times: number;
}

function useDrop(): Drop {
  const [drop, setDrop] = useState<Drop>({ times: 0 });
  useEffect(() => {
    const isOfFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') === true;
    // Without it, the browser would leave the console and open the file.
    const onOver = (event: DragEvent): void => {
      if (isOfFiles(event)) event.preventDefault();
    };
    const onDrop = (event: DragEvent): void => {
      if (!isOfFiles(event)) return;
      event.preventDefault();
      setQuery({ deploy: 'now' });
      const dropped = takeDrop(event.dataTransfer!);
      setDrop(({ times }) => ({ dropped, times: times + 1 }));
    };
    addEventListener('dragover', onOver);
    addEventListener('drop', onDrop);
    return () => {
      removeEventListener('dragover', onOver);
      removeEventListener('drop', onDrop);
    };
  }, []);
  return drop;
}

function DeploymentList() {
  const { query } = useRoute();
  const apps = useAll<'listApps'>('/apps');
  const { dropped, times } = useDrop();
  return (
    <>
      <div className="head">
        <h1>Deployments</h1>
        <span className="grow" />
        {query.deploy === undefined ? (
          <button type="button" className="btn main" onClick={() => setQuery({ deploy: 'now' })}>
            Deploy…
          </button>
        ) : null}
      </div>
      {query.deploy === undefined ? null : <DeployPanel key={times} dropped={dropped} />}
      <Loaded
        query={apps}
        empty={
          <section className="panel">
            <Empty title="Nothing is deployed" run="npx lambent deploy my-app">
              Drop the folder of an app anywhere on this screen, or run it from a shell. Each deployment is
              kept here, and can be made live again.
            </Empty>
          </section>
        }
      >
        {(items) => (
          <>
            {items.map((each) => (
              <AppDeployments key={each.app} view={each} />
            ))}
          </>
        )}
      </Loaded>
    </>
  );
}

function AppDeployments({ view }: { view: App }) {
  const { app } = view;
  const list = useLive<'listDeployments'>(pathOf('apps', app, 'deployments'));
  return (
    <Panel
      title={app}
      more={
        <>
          <span className="soft grow">
            {view.traffic.length === 0
              ? 'not live'
              : `live: ${view.traffic.map(({ number, weight }) => `d${number}${weight === 100 ? '' : ` ${weight} %`}`).join(' and ')}`}
          </span>
          <ActButton
            small
            danger
            text="Roll back"
            done={`${app} is rolled back.`}
            ask={
              <p>
                Makes the deployment before the present one of {app} live at once. Requests that run finish on
                theirs.
              </p>
            }
            act={() => call('POST', pathOf('apps', app, 'rollback'), { json: {} })}
          />
          <ActButton
            small
            danger
            text="Delete the app"
            done={`${app} is gone.`}
            ask={
              <p>
                Deletes {app} with all its deployments, secrets and kept events: its routes answer 404 at
                once, its triggers end. The history of its calls stays for as long as it is kept. This cannot
                be undone.
              </p>
            }
            act={() => call('DELETE', pathOf('apps', app))}
          />
        </>
      }
    >
      <Loaded query={list} empty={<Empty title="No deployments" />}>
        {(items) => <DeploymentTable app={app} items={items} />}
      </Loaded>
    </Panel>
  );
}

function DeploymentTable({ app, items }: { app: string; items: readonly DeploymentSummary[] }) {
  return (
    <Scroll>
      <table className="cards">
        <thead>
          <tr>
            <th>Deployment</th>
            <th>When</th>
            <th>By</th>
            <th>Note</th>
            <th className="num">Functions</th>
            <th>
              <span className="sr">Acts</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {items.map((each) => (
            <tr key={each.number} className="go" onClick={() => go(pathOf('deployments', app, each.number))}>
              <td className="nowrap title">
                <Link to={pathOf('deployments', app, each.number)}>
                  <strong>d{each.number}</strong>
                </Link>{' '}
                {each.weight > 0 ? (
                  <Badge status="live" text={each.weight === 100 ? 'live' : `live ${each.weight} %`} />
                ) : null}
              </td>
              <td className="nowrap soft right" title={exact(each.createdMs)}>
                {dateAndClock(each.createdMs)}
              </td>
              <td data-label="By">{each.createdBy}</td>
              <td className="wrap line">{each.note || <span className="soft">–</span>}</td>
              <td className="num" data-label="Functions">
                {each.functionCount}
              </td>
              <td className="num extra">what changed ›</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function DeploymentView({ app, number }: { app: string; number: number }) {
  const found = useLive<'getDeployment'>(pathOf('apps', app, 'deployments', number), { once: true });
  const before = useLive<'getDeployment'>(
    number > 1 ? pathOf('apps', app, 'deployments', number - 1) : undefined,
    { once: true },
  );
  const live = useLive<'getApp'>(pathOf('apps', app)).data;
  const share = live?.traffic.find((each) => each.number === number)?.weight ?? 0;
  return (
    <>
      <div>
        <div className="crumb">
          <Link to="/deployments">Deployments</Link> / {app}
        </div>
        <div className="head">
          <h1>d{number}</h1>
          {share > 0 ? (
            <Badge status="live" text={`live ${share} %`} />
          ) : (
            <span className="badge">not live</span>
          )}
          {found.data === undefined ? null : (
            <span className="soft">
              {dateAndClock(found.data.createdMs)} by {found.data.createdBy}
              {found.data.note === '' ? '' : `: ${found.data.note}`}
            </span>
          )}
        </div>
      </div>
      <Problem error={found.error} />
      {live === undefined ? null : <TrafficActs app={app} number={number} live={live} />}
      {found.data === undefined ? null : (
        <div className="grid">
          <Changes before={before.data} after={found.data} />
          <Panel
            title="Functions"
            more={<span className="soft">{plural(found.data.functions.length, 'function')}</span>}
          >
            <Scroll>
              <table className="cards">
                <thead>
                  <tr>
                    <th>Function</th>
                    <th>Runtime</th>
                    <th>Entry</th>
                    <th>Code</th>
                  </tr>
                </thead>
                <tbody>
                  {found.data.functions.map((each) => (
                    <tr key={each.name}>
                      <td className="title">
                        <Link to={pathOf('functions', app, each.name)}>
                          <strong>{each.name}</strong>
                        </Link>
                      </td>
                      <td className="right">{each.runtime}</td>
                      <td className="mono line">{each.entry}</td>
                      <td className="mono soft extra">{each.code.slice(0, 12)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Scroll>
          </Panel>
        </div>
      )}
    </>
  );
}

function TrafficActs({ app, number, live }: { app: string; number: number; live: App }) {
  const [weight, setWeight] = useState('10');
  const other = live.traffic.find((each) => each.number !== number)?.number;
  const parts = Number(weight);
  const isShare = Number.isInteger(parts) && parts >= 1 && parts <= 99;
  const put = (traffic: readonly { number: number; weight: number }[]) =>
    call('PUT', pathOf('apps', app, 'traffic'), { json: { traffic } });
  return (
    <div className="row">
      <ActButton
        main
        text="Make live"
        done={`d${number} serves all of ${app}.`}
        disabled={live.traffic.length === 1 && live.traffic[0]?.number === number}
        ask={
          <p>
            From now on d{number} serves every request of {app}. Requests that run finish on theirs.
          </p>
        }
        act={() => put([{ number, weight: 100 }])}
      />
      {other === undefined ? null : (
        <>
          <label className="row soft">
            or give it
            <input
              className="field"
              type="number"
              min="1"
              max="99"
              style={{ width: 76 }}
              value={weight}
              onChange={(event) => setWeight(event.target.value)}
            />
            %
          </label>
          <ActButton
            text="Share traffic"
            disabled={!isShare}
            done="The traffic is shared."
            ask={
              <p>
                d{number} gets {weight} % of the requests of {app}, d{other} the rest.
              </p>
            }
            act={() =>
              put(
                [
                  { number: other, weight: 100 - parts },
                  { number, weight: parts },
                ].sort((a, b) => a.number - b.number),
              )
            }
          />
        </>
      )}
    </div>
  );
}

/** Changes from which on those that say the same are told in one line: a variable of all functions is one decision. */
const ALIKE_FROM = 4;

function alike(changes: readonly Change[]): (Change & { readonly names: readonly string[] })[] {
  const groups = Map.groupBy(changes, ({ kind, what, text }) => `${kind} ${what} ${text}`);
  return [...groups.values()].flatMap((group) =>
    group.length < ALIKE_FROM || group[0]!.kind !== 'changed'
      ? group.map((each) => ({ ...each, names: [each.name] }))
      : [{ ...group[0]!, names: group.map(({ name }) => name) }],
  );
}

function Changes({ before, after }: { before: Deployment | undefined; after: Deployment }) {
  const changes = compareDeployments(before, after);
  return (
    <Panel
      title="What changed"
      more={
        <span className="soft">
          {before === undefined ? 'this is the first one that is kept' : `since d${before.number}`}
        </span>
      }
    >
      {changes.length === 0 ? (
        <Empty title="Nothing">Code, configuration, routes and triggers are the same.</Empty>
      ) : (
        <Scroll>
          <table className="cards">
            <tbody>
              {alike(changes).map(({ names, ...each }) => (
                <tr key={`${each.what} ${each.name} ${each.text}`}>
                  <td className="right">
                    <Badge
                      status={each.kind === 'added' ? 'ok' : each.kind === 'removed' ? 'error' : 'running'}
                      text={each.kind}
                    />
                  </td>
                  <td>{each.what}</td>
                  <td className="title">
                    {names.length < ALIKE_FROM ? (
                      <strong>{each.name}</strong>
                    ) : (
                      <details>
                        <summary>
                          <strong>{count(names.length)} alike</strong>
                        </summary>
                        {names.join(', ')}
                      </details>
                    )}
                  </td>
                  <td className="wrap mono line">{each.text}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Panel>
  );
}
