import type { ScheduleSource } from '../../src/model/trigger.ts';
import type { Trigger } from '../answers.ts';
import { call } from '../api.ts';
import { useAll } from '../query-client.ts';
import { Link, pathOf, triggerPath } from '../route.tsx';
import { bytes, compact, exact, plural, span } from '../show.ts';
import { ActButton } from './ask.tsx';
import { Badge } from './badge.tsx';
import { Empty, Loaded } from './panel.tsx';
import { ScheduleRuns } from './schedule-runs.tsx';
import { Scroll } from './scroll.tsx';

/** Every trigger with what it is owed, where its source is, and what can be done with it. */
export function Triggers() {
  const triggers = useAll<'listTriggers'>('/triggers');
  return (
    <section className="panel">
      <Loaded
        query={triggers}
        empty={
          <Empty title="No triggers" run={'functions:\n  report:\n    on:\n      - schedule: "*/5 * * * *"'}>
            A trigger in the manifest binds a source of events to a function:
          </Empty>
        }
      >
        {(items) => (
          <Scroll>
            <table className="cards">
              <thead>
                <tr>
                  <th>Trigger</th>
                  <th>Source</th>
                  <th>State</th>
                  <th className="num">Owed</th>
                  <th className="num">Delivered</th>
                  <th className="num">Dead</th>
                  <th>Next</th>
                  <th>
                    <span className="sr">Acts</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {items.map((each) => (
                  <TriggerRow key={each.id} trigger={each} />
                ))}
              </tbody>
            </table>
          </Scroll>
        )}
      </Loaded>
    </section>
  );
}

function TriggerRow({ trigger }: { trigger: Trigger }) {
  const { id, source, owed, running, delivered, dead, nextMs, position, trouble, plan, left } = trigger;
  const [app = '', name = ''] = id.split('/');
  const lag = lagText(trigger);
  return (
    <tr>
      <td className="title">
        <Link className="link" to={triggerPath(id)}>
          <strong>{name}</strong>
        </Link>
        <div className="under nowrap">
          {trigger.function === undefined ? (
            `${app}, not live`
          ) : (
            <>
              to{' '}
              <Link className="link" to={pathOf('functions', app, trigger.function)}>
                {app} {trigger.function}
              </Link>
            </>
          )}
        </div>
      </td>
      <td className="wrap line">
        <span className="badge info">{source?.kind ?? 'gone'}</span>{' '}
        <span className="mono">{sourceText(source)}</span>
        {position === undefined || source?.kind === 'schedule' ? null : (
          <div className="under mono" title={position}>
            at {positionText(position)}
          </div>
        )}
        {source?.kind === 'schedule' ? (
          <ScheduleRuns id={id} source={source as unknown as ScheduleSource} />
        ) : null}
        {trouble === undefined ? null : <div className="bad">{trouble}</div>}
        <Made plan={plan} left={left} />
      </td>
      <td className="right">
        <TriggerState trigger={trigger} />
      </td>
      <td className="num" data-label="Owed">
        {compact(owed)}
        {running > 0 ? <div className="under">{running} running</div> : null}
        {lag === undefined ? null : <div className="under">{lag} behind</div>}
      </td>
      <td className="num" data-label="Delivered">
        {compact(delivered)}
      </td>
      <td className={`num ${dead > 0 ? 'bad' : ''}`} data-label="Dead">
        {dead > 0 ? (
          <Link className="link" to={`/events?tab=dead&trigger=${encodeURIComponent(id)}`}>
            {compact(dead)}
          </Link>
        ) : (
          0
        )}
      </td>
      <td
        className={nextMs === undefined ? 'nowrap extra' : 'nowrap'}
        title={nextMs === undefined ? undefined : exact(nextMs)}
        data-label="Next"
      >
        {nextMs === undefined ? '–' : `in ${span(nextMs - Date.now())}`}
      </td>
      <td className="acts">
        <TriggerActs trigger={trigger} />
      </td>
    </tr>
  );
}

export function TriggerState({ trigger: { source, paused, trouble } }: { trigger: Trigger }) {
  const [status, text] =
    source === null
      ? ['', 'not live']
      : paused
        ? ['paused', 'paused']
        : trouble === undefined
          ? ['ready', 'delivers']
          : ['failed', 'in trouble'];
  return <Badge status={status!} text={text!} />;
}

/** What its source's server holds that is not stored here yet, where it tells. */
export function lagText({ lagBytes, lagMessages }: Trigger): string | undefined {
  if (lagMessages !== undefined) return plural(lagMessages, 'message');
  return lagBytes === undefined ? undefined : bytes(lagBytes);
}

/** What the source has in a database, or has left in one, and how a person drops it there. */
export function Made({ plan, left }: { plan: Trigger['plan'] | undefined; left: Trigger['left'] }) {
  return (
    <>
      {plan === undefined || plan.make.length === 0 ? null : <Plan plan={plan} />}
      <Left left={left} />
    </>
  );
}

function Plan({ plan: { place, make, drop, isMade, left } }: { plan: NonNullable<Trigger['plan']> }) {
  return (
    <>
      <details className="under">
        <summary>{isMade ? `what it has made in ${place}` : `what it is about to make in ${place}`}</summary>
        <pre>{statementsText(make)}</pre>
        <div>It drops that when it is deployed no more. By hand:</div>
        <pre>{statementsText(drop)}</pre>
      </details>
      <Left left={left} />
    </>
  );
}

/** What it made where it does not read any more, and a person may have to drop. */
function Left({ left }: { left: Trigger['left'] }) {
  return left.map((each) => (
    <div key={each.drop.join()} className="bad">
      It has left something behind in {each.place}, where it does not read any more. Drop it there by:
      <pre>{statementsText(each.drop)}</pre>
    </div>
  ));
}

function statementsText(statements: readonly string[]): string {
  return statements.map((statement) => `${statement};\n`).join('');
}

export function TriggerActs({ trigger: { id, source, paused } }: { trigger: Trigger }) {
  const [app = '', name = ''] = id.split('/');
  return (
    <span className="row" style={{ flexWrap: 'nowrap', justifyContent: 'flex-end' }}>
      {source?.kind === 'schedule' ? (
        <ActButton
          small
          text="Run now"
          done={`${name} is due now.`}
          act={() => call('POST', `/apps${pathOf(app, 'triggers', name, 'run')}`)}
        />
      ) : null}
      {paused ? (
        <ActButton
          small
          text="Resume"
          done={`${name} delivers again.`}
          act={() => call('POST', `/apps${pathOf(app, 'triggers', name, 'resume')}`)}
        />
      ) : (
        <ActButton
          small
          text="Pause"
          done={`${name} is paused.`}
          ask={<p>Nothing more is delivered by {id} until somebody resumes it. Events wait; none is lost.</p>}
          act={() => call('POST', `/apps${pathOf(app, 'triggers', name, 'pause')}`)}
        />
      )}
    </span>
  );
}

/** Positions are texts that a source alone understands; those that are JSON are shown by their values. */
export function positionText(position: string): string {
  try {
    const value: unknown = JSON.parse(position);
    if (typeof value !== 'object' || value === null) return position;
    return Object.entries(value)
      .map(([name, part]) => `${name} ${typeof part === 'object' ? JSON.stringify(part) : String(part)}`)
      .join(', ')
      .slice(0, 120);
  } catch {
    return position.slice(0, 120);
  }
}

/** What a source takes, in one line. */
export function sourceText(source: Trigger['source']): string {
  if (source === null) return '';
  if (source.kind === 'schedule') {
    const when = source.when as { kind: string; expression?: string; everyMs?: number; time?: string };
    return when.kind === 'rate'
      ? `every ${span(when.everyMs ?? 0)}`
      : `${when.expression ?? when.time ?? ''} ${String(source.timeZone)}`;
  }
  return source.kind === 'events' ? JSON.stringify(source.pattern) : '';
}
