import { useInfiniteQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import type { ScheduleSource } from '../../src/model/trigger.ts';
import type { Answers, Destination, TriggerDetail } from '../answers.ts';
import { type ApiError, get, queryOf } from '../api.ts';
import { useLive } from '../query-client.ts';
import { Link, pathOf } from '../route.tsx';
import { settingsOf } from '../settings-of.ts';
import { count, dateAndClock, elapsed, exact, plural, pretty, span } from '../show.ts';
import { AttemptTable } from './attempt-table.tsx';
import { ConnectionTest } from './connections.tsx';
import { DeadLetters } from './dead-letters.tsx';
import { Empty, Facts, Loaded, Panel, Problem } from './panel.tsx';
import { ReplayEvents } from './replay-events.tsx';
import { Runs } from './schedule-runs.tsx';
import { lagText, Made, positionText, TriggerActs, TriggerState } from './triggers.tsx';

/** Where a source is and what its server keeps change without an event: asked for again this often, in milliseconds. */
const AGAIN_MS = 5_000;
/** Attempts that are shown at a time. */
const PAGE = 50;

/** Of an event's id; the event itself has all of it. */
const ID_CHARS = 40;

type Fact = readonly [string, ReactNode];

/** One trigger: where its events come from and how far it is, how it delivers, what it did lately, and what died. */
export function TriggerView({ app, name }: { app: string; name: string }) {
  const found = useLive<'getTrigger'>(pathOf('apps', app, 'triggers', name), { everyMs: AGAIN_MS });
  const trigger = found.data;
  return (
    <>
      <div>
        <div className="crumb">
          <Link to="/events?tab=triggers">Triggers</Link> / {app}
        </div>
        <div className="head">
          <h1>{name}</h1>
          {trigger === undefined ? null : (
            <>
              <span className="badge">{trigger.source?.kind ?? 'gone'}</span>
              <TriggerState trigger={trigger} />
            </>
          )}
          <span className="grow" />
          {trigger === undefined || trigger.source === null ? null : (
            <>
              <ReplayEvents choice={{ trigger: trigger.id }} />
              <TriggerActs trigger={trigger} />
            </>
          )}
        </div>
      </div>
      <Problem error={found.error} />
      {trigger === undefined ? null : (
        <>
          <Trouble trigger={trigger} />
          <div className="grid">
            <TriggerFacts trigger={trigger} />
            <LatestAttempts app={app} name={name} />
          </div>
          {trigger.dead === 0 ? null : (
            <section aria-label="Its dead letters" className="stack">
              <h2>Dead letters</h2>
              <DeadLetters trigger={trigger.id} />
            </section>
          )}
        </>
      )}
    </>
  );
}

function TriggerFacts({ trigger }: { trigger: TriggerDetail }) {
  const { id, source, plan, left, delivery } = trigger;
  return (
    <>
      <FactsPanel title="Where it stands" facts={standOf(trigger)} />
      <FactsPanel title="Source" facts={sourceOf(trigger)}>
        <Made plan={plan} left={left} />
      </FactsPanel>
      {delivery === undefined ? null : (
        <FactsPanel title="How it delivers" facts={deliveryOf(trigger, delivery)} />
      )}
      {source?.kind === 'schedule' ? (
        <Panel title="Next runs" className="half">
          <div className="pad under">
            <Runs id={id} source={source as unknown as ScheduleSource} />
          </div>
        </Panel>
      ) : null}
    </>
  );
}

function FactsPanel(props: { title: string; facts: readonly (Fact | undefined)[]; children?: ReactNode }) {
  return (
    <Panel title={props.title} className="half">
      <div className="pad">
        <Facts facts={props.facts} />
        {props.children}
      </div>
    </Panel>
  );
}

/** What is wrong, what mends it, and a look at the connection where it may lie there. */
function Trouble({ trigger: { id, source, trouble } }: { trigger: TriggerDetail }) {
  if (source === null)
    return (
      <div className="note warn">
        No live deployment has this trigger. What it is owed waits until one has it again; its dead letters
        can be given up.
      </div>
    );
  if (trouble === undefined) return null;
  const connection = (source.connection as { name?: string } | undefined)?.name;
  const [app = ''] = id.split('/');
  return (
    <div className="note bad" role="alert">
      <strong>Its source does not work now; it tries again by itself</strong>
      <p style={{ whiteSpace: 'pre-wrap' }}>{trouble}</p>
      {connection === undefined ? null : (
        <ConnectionTest app={app} name={connection}>
          <span className="grow">
            The connection <code>{connection}</code>, step by step, with what mends it:
          </span>
        </ConnectionTest>
      )}
    </div>
  );
}

function standOf(trigger: TriggerDetail): readonly (Fact | undefined)[] {
  const { owed, running, oldestMs, delivered, failed, dead, position, nextMs } = trigger;
  const lag = lagText(trigger);
  return [
    ['Delivered', count(delivered)],
    ['Owed', running > 0 ? `${count(owed)}, ${plural(running, 'call')} under way` : count(owed)],
    oldestMs === undefined || owed === 0 ? undefined : ['Oldest owed', `for ${span(Date.now() - oldestMs)}`],
    ['Failed attempts', `${count(failed)} since the platform started`],
    ['Dead', count(dead)],
    lag === undefined ? undefined : ['Behind its source', lag],
    position === undefined
      ? undefined
      : [
          'Position',
          <code key="position" title={position}>
            {positionText(position)}
          </code>,
        ],
    nextMs === undefined
      ? undefined
      : [
          'Due next',
          <span key="next" title={exact(nextMs)}>
            {dateAndClock(nextMs)}, in {span(nextMs - Date.now())}
          </span>,
        ],
  ];
}

function sourceOf({
  id,
  source,
  function: target,
  starts,
  rule,
}: TriggerDetail): readonly (Fact | undefined)[] {
  const [app = '', name = ''] = id.split('/');
  const { kind, connection, pattern, verify, when, ...rest } = (source ?? {}) as Record<string, unknown>;
  return [
    [
      'Brings its events to',
      starts?.kind === 'webhook' ? (
        <code key="target">{starts.url}</code>
      ) : starts?.kind === 'stateMachine' ? (
        <code key="target">{starts.arn}</code>
      ) : target === undefined ? (
        <span key="target" className="soft">
          nothing: it is not live
        </span>
      ) : (
        <Link key="target" className="link" to={pathOf('functions', app, target)}>
          {app} {target}
        </Link>
      ),
    ],
    rule === undefined ? undefined : ['Rule', <code key="rule">{rule.arn}</code>],
    kind === 'webhook' ? ['Address', <code key="at">{`/_lambent/hooks/${app}/${name}`}</code>] : undefined,
    connection === undefined
      ? undefined
      : [
          'Connection',
          (connection as { name?: string }).name === undefined ? (
            'its own'
          ) : (
            <Link key="connection" className="link" to="/settings">
              {(connection as { name: string }).name}
            </Link>
          ),
        ],
    pattern === undefined
      ? undefined
      : [
          'Pattern',
          <pre key="pattern" style={{ margin: 0 }}>
            {pretty(pattern)}
          </pre>,
        ],
    verify === undefined ? undefined : ['Signature', (verify as { kind: string }).kind],
    when === undefined ? undefined : ['When', whenText(when as ScheduleSource['when'])],
    ...settingsOf(rest),
  ];
}

function whenText(when: ScheduleSource['when']): string {
  if (when.kind === 'rate') return `every ${span(when.everyMs)}`;
  return when.kind === 'cron' ? when.expression : when.time;
}

function deliveryOf(
  { onSuccess, onFailure }: TriggerDetail,
  policy: NonNullable<TriggerDetail['delivery']>,
): readonly (Fact | undefined)[] {
  const { attemptsMax, ageMaxMs, retryFirstMs, retryMaxMs, concurrency, ratePerSecond, key } = policy;
  const { batchMax, batched, windowMs, bisect, debounceMs, dedupeKey, dedupeMs } = policy;
  return [
    ['Attempts', `up to ${count(attemptsMax)}, within ${elapsed(ageMaxMs)}; then it is a dead letter`],
    ['Pauses between', `up to ${elapsed(retryFirstMs)}, doubling, up to ${elapsed(retryMaxMs)}`],
    ['At the same time', plural(concurrency, 'call')],
    ['Calls a second', ratePerSecond === 0 ? 'no limit' : `at most ${count(ratePerSecond)}`],
    ['In order of', key === undefined ? 'nothing: beside one another' : <code key="key">{key}</code>],
    [
      'Events in a call',
      batched || batchMax > 1
        ? `a list of up to ${count(batchMax)}${windowMs > 0 ? `, gathered for ${elapsed(windowMs)}` : ''}${bisect ? '; what fails is tried by halves' : ''}`
        : 'one',
    ],
    debounceMs === 0 ? undefined : ['Debounce', `the last, once none came for ${elapsed(debounceMs)}`],
    dedupeKey === undefined
      ? undefined
      : ['Repetitions', `same ${dedupeKey} within ${elapsed(dedupeMs)}: left out`],
    onSuccess === undefined ? undefined : ['On success', destinationText(onSuccess)],
    onFailure === undefined ? undefined : ['On failure', destinationText(onFailure)],
  ];
}

function destinationText(destination: Destination): string {
  switch (destination.kind) {
    case 'function':
      return `the function ${destination.function}`;
    case 'workflow':
      return `the workflow ${destination.workflow}`;
    case 'webhook':
      return `the server ${destination.url}`;
    case 'emit':
      return `the event ${destination.type}`;
  }
}

function LatestAttempts({ app, name }: { app: string; name: string }) {
  const path = pathOf('apps', app, 'triggers', name, 'attempts');
  const pages = useInfiniteQuery<Answers['listTriggerAttempts'], ApiError>({
    queryKey: [path],
    initialPageParam: undefined,
    queryFn: ({ pageParam, signal }) =>
      get<'listTriggerAttempts'>(
        `${path}${queryOf({ limit: PAGE, cursor: pageParam as string | undefined })}`,
        signal,
      ),
    getNextPageParam: (last) => last.next,
  });
  const items = pages.data?.pages.flatMap((page) => page.items);
  return (
    <Panel
      title="Latest deliveries"
      more={<span className="soft">all that failed, and of those that went well at once some</span>}
    >
      <Loaded
        query={{ data: items && { items }, error: pages.error }}
        empty={<Empty title="No delivery is known">Each attempt of an event appears here.</Empty>}
      >
        {(found) => (
          <>
            <AttemptTable
              first="Event"
              items={found}
              nameOf={({ seq, type, id }) => (
                <>
                  <Link className="link" to={pathOf('events', seq)}>
                    {type}
                  </Link>{' '}
                  <span className="mono soft">{id.slice(0, ID_CHARS)}</span>
                </>
              )}
            />
            {pages.hasNextPage ? (
              <div className="pad">
                <button
                  type="button"
                  className="btn"
                  disabled={pages.isFetching}
                  onClick={() => void pages.fetchNextPage()}
                >
                  Older ones
                </button>
              </div>
            ) : null}
          </>
        )}
      </Loaded>
    </Panel>
  );
}
