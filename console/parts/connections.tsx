import { type ReactNode, useState } from 'react';
import type { Connection as ConnectionAnswer, ConnectionReport } from '../answers.ts';
import { call } from '../api.ts';
import { useAll } from '../query-client.ts';
import { pathOf } from '../route.tsx';
import { Findings } from './findings.tsx';
import { Empty, Loaded, Panel, Problem } from './panel.tsx';

/** Outside services that apps name, each with a test that says what fails and what mends it. */
export function Connections() {
  const connections = useAll<'listConnections'>('/connections');
  return (
    <Panel
      title="Connections"
      className="half"
      more={<span className="soft">outside services that apps read from</span>}
    >
      <Loaded
        query={connections}
        empty={
          <Empty
            title="No connections"
            run={
              'connections:\n  orders-db:\n    kind: postgres\n    host: localhost\n    database: shop\n    user: lambent'
            }
          >
            The manifest names a database or a broker, and which secrets log in:
          </Empty>
        }
      >
        {(items) => (
          <div className="pad beside">
            {items.map((each) => (
              <Connection key={`${each.app}/${each.name}`} connection={each} />
            ))}
          </div>
        )}
      </Loaded>
    </Panel>
  );
}

function Connection({ connection: { app, name, kind, triggers } }: { connection: ConnectionAnswer }) {
  return (
    <section aria-label={`Connection ${name}`} className="beside">
      <ConnectionTest app={app} name={name}>
        <strong>{name}</strong> <span className="soft">{app}</span>
        <span className="badge info">{kind}</span>
        <span className="soft grow">{triggers.length === 0 ? 'no trigger' : triggers.join(', ')}</span>
      </ConnectionTest>
    </section>
  );
}

/** A button behind what is told of a connection, and below it what the test found. */
export function ConnectionTest(props: { app: string; name: string; children: ReactNode }) {
  const { app, name, children } = props;
  const [report, setReport] = useState<ConnectionReport | 'runs' | undefined>();
  const [error, setError] = useState<Error | null>(null);
  const test = async (): Promise<void> => {
    setError(null);
    setReport('runs');
    try {
      setReport(await call<'testConnection'>('POST', pathOf('apps', app, 'connections', name, 'test')));
    } catch (thrown) {
      setReport(undefined);
      setError(thrown as Error);
    }
  };
  return (
    <>
      <div className="row">
        {children}
        <button type="button" className="btn small" disabled={report === 'runs'} onClick={() => void test()}>
          {report === 'runs' ? 'Testing…' : 'Test'}
        </button>
      </div>
      <Problem error={error} />
      <div aria-live="polite">
        {report === undefined || report === 'runs' ? null : (
          <Findings
            findings={report.checks.map((check) => ({ ...check, status: check.ok ? 'ok' : 'fail' }))}
          />
        )}
      </div>
    </>
  );
}
