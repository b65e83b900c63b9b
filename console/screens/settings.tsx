import { type FormEvent, useState } from 'react';
import type { Doctor, Health, List } from '../answers.ts';
import { call } from '../api.ts';
import { ActButton } from '../parts/ask.tsx';
import { Connections } from '../parts/connections.tsx';
import { Findings } from '../parts/findings.tsx';
import { Empty, Facts, Loaded, Panel, Problem } from '../parts/panel.tsx';
import { Scroll } from '../parts/scroll.tsx';
import { Secrets } from '../parts/secrets.tsx';
import { refreshAll, useLive } from '../query-client.ts';
import { pathOf } from '../route.tsx';
import { dateAndClock, exact, span } from '../show.ts';

interface Token {
  readonly name: string;
  readonly createdMs: number;
}

export function Settings() {
  const health = useLive<Health>('/health', { everyMs: 10_000 }).data;
  const doctor = useLive<Doctor>('/doctor', { everyMs: 15_000 });
  return (
    <>
      <div className="head">
        <h1>Settings</h1>
      </div>
      <div className="grid">
        <Panel title="This server" className="half">
          <div className="pad">
            {health === undefined ? null : (
              <Facts
                facts={[
                  ['Mode', health.mode],
                  ['Version', health.version],
                  ['Node', <code key="node">{health.nodeId}</code>],
                  ['Started', `${dateAndClock(health.startedMs)}, ${span(health.uptimeMs)} ago`],
                  [
                    'API',
                    <a key="api" className="link" href="/_lambent/api/openapi.json">
                      OpenAPI document
                    </a>,
                  ],
                  [
                    'Metrics',
                    <a key="metrics" className="link" href="/_lambent/metrics">
                      for Prometheus
                    </a>,
                  ],
                ]}
              />
            )}
          </div>
        </Panel>
        <Tokens />
        <Secrets />
        <Connections />
        {doctor.data === undefined ? (
          <Panel title="Health of this node">
            <div className="pad">
              {doctor.error === null ? <p className="soft">Loading…</p> : <Problem error={doctor.error} />}
            </div>
          </Panel>
        ) : (
          <>
            <HealthPanel doctor={doctor.data} />
            <RuntimesPanel doctor={doctor.data} />
            <IsolationPanel isolation={doctor.data.isolation} />
          </>
        )}
      </div>
    </>
  );
}

const LANGUAGE = /^language /;

/** The store, queue, disk, memory, port and defects; isolation and languages have panels of their own. */
function HealthPanel({ doctor }: { doctor: Doctor }) {
  return (
    <Panel
      title="Health of this node"
      className="half"
      more={<span className="soft">looked at again every 15 seconds</span>}
    >
      <Findings findings={doctor.checks.filter(({ name }) => name !== 'isolation' && !LANGUAGE.test(name))} />
    </Panel>
  );
}

/** Each language: whether functions in it can be built and run here, and else the command that brings it. */
function RuntimesPanel({ doctor }: { doctor: Doctor }) {
  const languages = doctor.checks
    .filter(({ name }) => LANGUAGE.test(name))
    .map(({ name, status, ...rest }) => ({
      ...rest,
      ...{ name: name.replace(LANGUAGE, ''), status, label: status === 'ok' ? 'ready' : 'not ready' },
    }));
  const own = { name: 'node', status: 'ok', label: 'ready', text: 'Node.js comes with the platform.' };
  return (
    <Panel
      title="Runtimes"
      className="half"
      more={<span className="soft">languages that functions may be written in</span>}
    >
      <Findings findings={[own, ...languages]} />
    </Panel>
  );
}

function IsolationPanel({ isolation }: { isolation: Doctor['isolation'] }) {
  return (
    <Panel
      title={`Isolation: level ${isolation.level}`}
      more={<span className="soft">by {isolation.driver}</span>}
    >
      <div className="pad">
        <p style={{ margin: 0 }}>{isolation.summary}</p>
        {isolation.advice === undefined ? null : (
          <p className="soft" style={{ margin: '6px 0 0' }}>
            {isolation.advice}
          </p>
        )}
      </div>
      <Findings
        findings={isolation.protections.map(({ name, enforced, note }) => ({
          ...{
            name,
            status: enforced ? 'ok' : 'warn',
            label: enforced ? 'enforced' : 'not here',
            text: note,
          },
        }))}
      />
    </Panel>
  );
}

function Tokens() {
  const tokens = useLive<List<Token>>('/tokens');
  return (
    <Panel title="Tokens" className="half" more={<span className="soft">who may use this server</span>}>
      <Loaded
        query={tokens}
        empty={<Empty title="No tokens">On this machine none is needed; others need one.</Empty>}
      >
        {(items) => (
          <Scroll>
            <table>
              <tbody>
                {items.map(({ name, createdMs }) => (
                  <tr key={name}>
                    <td>
                      <strong>{name}</strong>
                    </td>
                    <td className="soft nowrap" title={exact(createdMs)}>
                      since {dateAndClock(createdMs)}
                    </td>
                    <td className="num">
                      <ActButton
                        small
                        danger
                        text="Delete"
                        done={`${name} is useless now.`}
                        ask={
                          <p>
                            Whoever uses the token {name}, browsers that signed in with it included, is
                            refused at once.
                          </p>
                        }
                        act={() => call('DELETE', pathOf('tokens', name))}
                      />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        )}
      </Loaded>
      <NewToken />
    </Panel>
  );
}

function NewToken() {
  const [name, setName] = useState('');
  const [made, setMade] = useState<{ name: string; token: string } | undefined>();
  const [error, setError] = useState<Error | null>(null);
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setError(null);
    try {
      setMade(await call('POST', '/tokens', { json: { name } }));
      setName('');
      await refreshAll();
    } catch (thrown) {
      setError(thrown as Error);
    }
  };
  return (
    <div className="pad" style={{ display: 'grid', gap: 12 }}>
      <form className="row" onSubmit={(event) => void submit(event)}>
        <input
          className="field grow"
          aria-label="Name of the new token"
          placeholder="Name, as ci"
          required
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <button type="submit" className="btn">
          Make a token
        </button>
      </form>
      <Problem error={error} />
      {made === undefined ? null : (
        <div className="note good">
          <strong>{made.name}</strong>: keep it now, it is not shown again.
          <output className="mono" style={{ overflowWrap: 'anywhere' }} aria-label="The new token">
            {made.token}
          </output>
        </div>
      )}
    </div>
  );
}
