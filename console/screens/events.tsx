import { useInfiniteQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import type { Answers, EventDetail, EventSummary } from '../answers.ts';
import { type ApiError, call, get, queryOf } from '../api.ts';
import { ActButton } from '../parts/ask.tsx';
import { AttemptTable } from '../parts/attempt-table.tsx';
import { Badge } from '../parts/badge.tsx';
import { DeadLetters } from '../parts/dead-letters.tsx';
import { Json } from '../parts/json.tsx';
import { Empty, Facts, Loaded, Panel, Problem } from '../parts/panel.tsx';
import { PublishEvent } from '../parts/publish-event.tsx';
import { ReplayEvents } from '../parts/replay-events.tsx';
import { Tabs } from '../parts/tabs.tsx';
import { TriggerView } from '../parts/trigger-view.tsx';
import { Triggers } from '../parts/triggers.tsx';
import { VirtualList } from '../parts/virtual-list.tsx';
import { useAll, useLive } from '../query-client.ts';
import { Link, pathOf, setQuery, triggerPath, useRoute } from '../route.tsx';
import { bytes, clock, count, dateAndClock, exact, plural } from '../show.ts';

export function Events() {
  const { parts, query } = useRoute();
  const [, first, app, name] = parts;
  if (first === 'triggers' && app !== undefined && name !== undefined)
    return <TriggerView key={`${app}/${name}`} app={app} name={name} />;
  if (first !== undefined) return <EventView seq={first} />;
  const tab = query.tab ?? '';
  return (
    <>
      <div className="head">
        <h1>Events</h1>
        <span className="grow" />
        <PublishEvent />
      </div>
      <EventTabs present={tab} />
      {tab === '' ? <Stream /> : tab === 'triggers' ? <Triggers /> : <DeadLetters trigger={query.trigger} />}
    </>
  );
}

function EventTabs({ present }: { present: string }) {
  const triggers = useAll<'listTriggers'>('/triggers').data?.items ?? [];
  const dead = triggers.reduce((sum, each) => sum + each.dead, 0);
  return (
    <Tabs
      present={present}
      tabs={[
        ['', 'Stream'],
        ['triggers', 'Triggers', triggers.length],
        ['dead', 'Dead letters', dead],
      ]}
    />
  );
}

/** How many events the stream shows at a time. */
const PAGE = 200;

function Stream() {
  const { type, source, subject, text } = useRoute().query;
  const filter = { type, source, subject, text };
  const pages = useInfiniteQuery<Answers['listEvents'], ApiError>({
    queryKey: ['/events', filter],
    initialPageParam: undefined,
    queryFn: ({ pageParam, signal }) =>
      get<'listEvents'>(
        `/events${queryOf({ ...filter, limit: PAGE, before: pageParam as number | undefined })}`,
        signal,
      ),
    getNextPageParam: (last) => last.next,
    placeholderData: (before) => before,
  });
  const items = pages.data?.pages.flatMap((page) => page.items);
  const { hasNextPage, isFetching } = pages;
  const more = (): void => {
    if (hasNextPage && !isFetching) void pages.fetchNextPage();
  };
  return (
    <>
      <StreamFilters />
      <section className="panel">
        <Loaded
          query={{ data: items && { items }, error: pages.error }}
          empty={
            hasNextPage ? (
              <Empty title="None fits among the newest that were looked through">
                <button type="button" className="btn" disabled={isFetching} onClick={more}>
                  {isFetching ? 'Looking…' : 'Look through older ones'}
                </button>
              </Empty>
            ) : Object.values(filter).some(Boolean) ? (
              <Empty title="No event fits">
                Nothing in the log is like that; it may be too old to be kept.
              </Empty>
            ) : (
              <Empty title="No events" run={`npx lambent emit order.placed --data '{"order":1}'`}>
                Functions, sources and people put them onto the bus.
              </Empty>
            )
          }
        >
          {(found) => <EventRows items={found} onEnd={more} />}
        </Loaded>
      </section>
    </>
  );
}

function StreamFilters() {
  const { query } = useRoute();
  const { type, source, subject, text } = query;
  return (
    <div className="filters">
      <SearchField name="text" label="Text in the event" />
      {(['type', 'source', 'subject'] as const).map((name) => (
        <SearchField key={name} name={name} label={`Exact ${name}`} />
      ))}
      <ReplayEvents choice={{ type, source, subject, text }} />
    </div>
  );
}

/** How long nobody must have typed before the log is searched, in milliseconds: every event in question is read. */
const SEARCH_AFTER_MS = 250;

function SearchField({ name, label }: { name: 'text' | 'type' | 'source' | 'subject'; label: string }) {
  const value = useRoute().query[name] ?? '';
  const [typed, setTyped] = useState<string | undefined>();
  useEffect(() => {
    if (typed === undefined) return undefined;
    const timer = setTimeout(() => {
      setQuery({ [name]: typed });
      setTyped(undefined);
    }, SEARCH_AFTER_MS);
    return () => clearTimeout(timer);
  }, [typed, name]);
  return (
    <input
      type="search"
      className="field"
      aria-label={label}
      placeholder={label}
      value={typed ?? value}
      onChange={(event) => setTyped(event.target.value)}
    />
  );
}

function EventRows({ items, onEnd }: { items: readonly EventSummary[]; onEnd(): void }) {
  return (
    <VirtualList
      label="Events"
      onEnd={onEnd}
      columns="cols-events"
      heads={['Received', 'Type', 'Source', 'Subject', 'Size', 'No.']}
      items={items}
      row={(each) => ({
        key: each.seq,
        to: pathOf('events', each.seq),
        cells: [
          <span key="time" className="soft" title={exact(each.receivedMs)}>
            {clock(each.receivedMs)}
          </span>,
          <strong key="type">{each.type}</strong>,
          <span key="source" className="mono">
            {each.source}
          </span>,
          each.subject ?? (
            <span key="subject" className="soft">
              –
            </span>
          ),
          bytes(each.bytes),
          <span key="seq" className="soft">
            {count(each.seq)}
          </span>,
        ],
      })}
    />
  );
}

function EventView({ seq }: { seq: string }) {
  const found = useLive<'getEvent'>(pathOf('events', seq));
  const event = found.data;
  return (
    <>
      <div>
        <div className="crumb">
          <Link to="/events">Events</Link> / {seq}
        </div>
        <div className="head">
          <h1>{event?.type ?? 'Event'}</h1>
          <span className="grow" />
          {event === undefined ? null : (
            <ActButton
              text="Deliver again"
              done="It is owed once more."
              ask={
                <p>
                  Every trigger whose pattern matches this event gets it once more, also those that had it
                  already.
                </p>
              }
              act={() => call('POST', '/events/replay', { json: { id: event.id, source: event.source } })}
            />
          )}
        </div>
      </div>
      <Problem error={found.error} />
      {event === undefined ? null : (
        <div className="grid">
          <Panel title="Event" className="half">
            <div className="pad">
              <Json label="Event" value={event.event} />
            </div>
          </Panel>
          <Panel title="Where it stands" className="half">
            <div className="pad">
              <EventFacts event={event} />
            </div>
          </Panel>
          <Attempts event={event} />
        </div>
      )}
    </>
  );
}

function EventFacts({ event }: { event: EventDetail }) {
  return (
    <Facts
      facts={[
        [
          'Received',
          <span key="received" title={exact(event.receivedMs)}>
            {dateAndClock(event.receivedMs)}
          </span>,
        ],
        ['Source', <code key="source">{event.source}</code>],
        ['Id', <code key="id">{event.id}</code>],
        event.subject === undefined ? undefined : ['Subject', event.subject],
        ['Depth', `${plural(event.depth, 'event or call')} led to it`],
        [
          'Owed to',
          event.owedTo.length === 0 ? (
            <span key="owed" className="good">
              nobody: all deliveries ended
            </span>
          ) : (
            <TriggerNames key="owed" ids={event.owedTo} status="waiting" />
          ),
        ],
        event.deadAt.length === 0
          ? undefined
          : ['Dead at', <TriggerNames key="dead" ids={event.deadAt} status="dead" />],
      ]}
    />
  );
}

/** Each attempt of each delivery: when, how long, what went wrong, and when the next one comes. */
function Attempts({ event: { attempts } }: { event: EventDetail }) {
  return (
    <Panel
      title="Attempts"
      more={<span className="soft">all that failed, and of those that went well at once some</span>}
    >
      {attempts.length === 0 ? (
        <Empty title="No attempt is known">
          Nobody wants this event, it is not due yet, or it went well at a busy time.
        </Empty>
      ) : (
        <AttemptTable
          first="Trigger"
          items={attempts}
          nameOf={({ trigger }) => (
            <Link className="link" to={triggerPath(trigger)}>
              {trigger}
            </Link>
          )}
        />
      )}
    </Panel>
  );
}

function TriggerNames({ ids, status }: { ids: readonly string[]; status: string }) {
  return (
    <span className="row">
      {ids.map((id) => (
        <Link key={id} to={triggerPath(id)}>
          <Badge status={status} text={id} />
        </Link>
      ))}
    </span>
  );
}
