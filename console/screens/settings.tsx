import type { Answers, Isolation } from '../answers.ts';
import { Connections } from '../parts/connections.tsx';
import { Credentials } from '../parts/credentials.tsx';
import { Findings } from '../parts/findings.tsx';
import { Facts, Panel, Problem } from '../parts/panel.tsx';
import { Secrets } from '../parts/secrets.tsx';
import { useLive } from '../query-client.ts';
import { dateAndClock, span } from '../show.ts';

export function Settings() {
  const health = useLive<'getHealth'>('/health', { everyMs: 10_000 }).data;
  const doctor = useLive<'getDoctor'>('/doctor', { everyMs: 15_000 });
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
        <WhoGetsIn />
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

function WhoGetsIn() {
  return (
    <>
      <Credentials
        title="Tokens"
        note="who may use this server"
        noun="token"
        path="/tokens"
        empty="On this machine none is needed; others need one."
        loss=", browsers that signed in with it included,"
        shown={[['token', 'The new token']]}
      />
      <Credentials
        title="Access keys"
        note="for AWS' clients: Lambda, Step Functions, EventBridge"
        noun="access key"
        path="/keys"
        empty="AWS' command line and SDKs sign their requests with one."
        loss=""
        shown={[
          ['accessKeyId', 'Id of the new access key'],
          ['secretAccessKey', 'Secret of the new access key'],
        ]}
      />
    </>
  );
}

const LANGUAGE = /^language /;

/** The store, queue, disk, memory, port and defects; isolation and languages have panels of their own. */
function HealthPanel({ doctor }: { doctor: Answers['getDoctor'] }) {
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
function RuntimesPanel({ doctor }: { doctor: Answers['getDoctor'] }) {
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

function IsolationPanel({ isolation }: { isolation: Isolation }) {
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
