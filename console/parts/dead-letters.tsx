import { useInfiniteQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import type { Answers, DeadLetter } from '../answers.ts';
import { type ApiError, call, get, queryOf } from '../api.ts';
import { useLive } from '../query-client.ts';
import { Link, pathOf } from '../route.tsx';
import { count, dateAndClock, exact, plural, pretty } from '../show.ts';
import { ActButton, Dialog } from './ask.tsx';
import { ErrorView } from './error-view.tsx';
import { JsonEditor, jsonProblem } from './json.tsx';
import { Empty, Loaded, Problem } from './panel.tsx';
import { VirtualList } from './virtual-list.tsx';

const PAGE = 200;

/** What could not be delivered: why, and what can be done: deliver again, edit first, or give up. */
export function DeadLetters({ trigger }: { trigger: string | undefined }) {
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set());
  const [opened, setOpened] = useState<number | undefined>();
  const pages = useLetters(trigger);
  const items = useMemo(() => pages.data?.pages.flatMap((page) => page.items), [pages.data]);
  const toggle = (key: number): void => {
    const next = new Set(chosen);
    if (!next.delete(key)) next.add(key);
    setChosen(next);
  };
  return (
    <>
      <LetterActs items={items} chosen={chosen} trigger={trigger} />
      <section className="panel">
        <Loaded
          query={{ data: items && { items }, error: pages.error }}
          empty={
            <Empty title="No dead letters">
              What a trigger could not deliver, after all its attempts, is kept here until somebody redrives
              it.
            </Empty>
          }
        >
          {(found) => (
            <LetterList
              items={found}
              chosen={chosen}
              onToggle={toggle}
              onOpen={setOpened}
              onEnd={() => pages.hasNextPage && !pages.isFetching && void pages.fetchNextPage()}
            />
          )}
        </Loaded>
      </section>
      {opened === undefined ? null : <LetterDialog letterKey={opened} onClose={() => setOpened(undefined)} />}
    </>
  );
}

const useLetters = (trigger: string | undefined) =>
  useInfiniteQuery<Answers['listDeadLetters'], ApiError>({
    queryKey: ['/dead-letters', trigger],
    initialPageParam: undefined,
    queryFn: ({ pageParam, signal }) =>
      get<'listDeadLetters'>(
        `/dead-letters${queryOf({ trigger, limit: PAGE, after: pageParam as number | undefined })}`,
        signal,
      ),
    getNextPageParam: (last) => (last.items.length < PAGE ? undefined : last.items.at(-1)?.key),
  });

/** What is done to those that are chosen, or where none is, to all. */
function LetterActs(props: {
  items: readonly DeadLetter[] | undefined;
  chosen: ReadonlySet<number>;
  trigger: string | undefined;
}) {
  const { items = [], chosen, trigger } = props;
  /** How many were redriven so far, while it goes on. */
  const [progress, setProgress] = useState<number | undefined>();
  const keys = items.flatMap(({ key }) => (chosen.has(key) ? [key] : []));
  const all = trigger === undefined ? 'all dead letters' : `all of ${trigger}`;
  const which = keys.length > 0 ? plural(keys.length, 'dead letter') : all;
  const selection: Selection =
    keys.length > 0 ? { keys } : { all: true, ...(trigger === undefined ? {} : { trigger }) };
  return (
    <div className="row">
      <ActButton
        main
        text={`Redrive ${which}`}
        done="They are owed again."
        disabled={items.length === 0}
        ask={<p>Delivers {which} again, each to the trigger where it died.</p>}
        act={() => redriveInParts(selection, setProgress)}
      />
      {progress === undefined ? null : (
        <span className="badge info" role="status">
          {count(progress)} redriven
        </span>
      )}
      <ActButton
        danger
        text={`Give up ${which}`}
        done="They are gone."
        disabled={items.length === 0}
        ask={<p>Deletes {which} for good. The events themselves stay in the log until it is pruned.</p>}
        act={() => call('POST', '/dead-letters/remove', { json: selection })}
      />
      {trigger === undefined ? null : (
        <Link className="btn" to="/events?tab=dead">
          Of all triggers
        </Link>
      )}
    </div>
  );
}

/** Keys of one call: as many as the API takes are too many to see it get on. */
const REDRIVE_AT_ONCE = 100;

type Selection = { readonly keys: readonly number[] } | { readonly all: true; readonly trigger?: string };

/** Redrives part by part, the oldest first, and says how far it is. What dies again meanwhile is not redriven again. */
async function redriveInParts(selection: Selection, onProgress: (done?: number) => void): Promise<void> {
  const redrive = async (keys: readonly number[]): Promise<number> =>
    (await call<'redriveDeadLetters'>('POST', '/dead-letters/redrive', { json: { keys } })).count;
  let done = 0;
  try {
    if ('keys' in selection) {
      for (let at = 0; at < selection.keys.length; at += REDRIVE_AT_ONCE) {
        done += await redrive(selection.keys.slice(at, at + REDRIVE_AT_ONCE));
        onProgress(done);
      }
      return;
    }
    const startedMs = Date.now();
    for (let after: number | undefined = 0; after !== undefined; ) {
      const query = queryOf({ trigger: selection.trigger, limit: REDRIVE_AT_ONCE, after });
      const { items } = await get<'listDeadLetters'>(`/dead-letters${query}`);
      const keys = items.filter(({ diedMs }) => diedMs <= startedMs).map(({ key }) => key);
      if (keys.length > 0) done += await redrive(keys);
      onProgress(done);
      after = items.length < REDRIVE_AT_ONCE ? undefined : items.at(-1)?.key;
    }
  } finally {
    onProgress(undefined);
  }
}

function LetterList(props: {
  items: readonly DeadLetter[];
  chosen: ReadonlySet<number>;
  onToggle(key: number): void;
  onOpen(key: number): void;
  onEnd(): void;
}) {
  const { items, chosen, onToggle, onOpen, onEnd } = props;
  return (
    <VirtualList
      label="Dead letters"
      columns="cols-letters"
      heads={[
        <span key="choose" className="sr">
          Choose
        </span>,
        'Died',
        'Trigger',
        'Event',
        'Error',
        'Attempts',
        <span key="acts" className="sr">
          Acts
        </span>,
      ]}
      items={items}
      onEnd={onEnd}
      row={(each) => ({
        key: each.key,
        cells: [
          <input
            key="choose"
            type="checkbox"
            aria-label={`Choose ${each.id}`}
            checked={chosen.has(each.key)}
            onChange={() => onToggle(each.key)}
          />,
          <span key="died" className="soft" title={exact(each.diedMs)}>
            {dateAndClock(each.diedMs)}
          </span>,
          each.trigger,
          <span key="event" title={each.id}>
            <strong>{each.type}</strong> <span className="mono soft">{each.id}</span>
          </span>,
          <span key="error" title={each.error.errorMessage}>
            <span className="bad">{each.error.errorType}</span> {each.error.errorMessage.slice(0, 160)}
          </span>,
          each.attempts,
          <button key="open" type="button" className="btn small" onClick={() => onOpen(each.key)}>
            Open
          </button>,
        ],
      })}
    />
  );
}

function LetterDialog({ letterKey, onClose }: { letterKey: number; onClose(): void }) {
  const { data, error } = useLive<'getDeadLetter'>(pathOf('dead-letters', letterKey), { once: true });
  const [edited, setEdited] = useState<string | undefined>();
  const text = edited ?? pretty(data?.event);
  const redrive = async (): Promise<void> => {
    if (edited !== undefined) await call('PUT', pathOf('dead-letters', letterKey, 'event'), { text });
    await call('POST', '/dead-letters/redrive', { json: { keys: [letterKey] } });
    onClose();
  };
  return (
    <Dialog label="Dead letter" onClose={onClose}>
      <div className="pad">
        <h2>Dead letter {letterKey}</h2>
        <Problem error={error} />
        {data === undefined ? null : (
          <>
            <ErrorView error={data.error} />
            <JsonEditor
              label="Event: edit it before it is delivered again"
              value={text}
              onChange={setEdited}
              rows={12}
            />
          </>
        )}
      </div>
      <footer>
        <button type="button" className="btn" onClick={onClose}>
          Close
        </button>
        <ActButton
          main
          text="Redrive"
          done="It is owed again."
          disabled={data === undefined || jsonProblem(text) !== undefined}
          act={redrive}
        />
      </footer>
    </Dialog>
  );
}
