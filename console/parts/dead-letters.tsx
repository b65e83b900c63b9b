import { useState } from 'react';
import type { DeadLetter, List } from '../answers.ts';
import { call, queryOf } from '../api.ts';
import { useLive } from '../query-client.ts';
import { pathOf, setQuery, useRoute } from '../route.tsx';
import { dateAndClock, exact, plural, pretty } from '../show.ts';
import { ActButton, Dialog } from './ask.tsx';
import { ErrorView } from './error-view.tsx';
import { JsonEditor, jsonProblem } from './json.tsx';
import { Empty, Loaded, Problem } from './panel.tsx';
import { Scroll } from './scroll.tsx';

const PAGE = 200;

/** What could not be delivered: why, and what can be done: deliver again, edit first, or give up. */
export function DeadLetters() {
  const { trigger } = useRoute().query;
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set());
  const [opened, setOpened] = useState<number | undefined>();
  const letters = useLive<List<DeadLetter>>(`/dead-letters${queryOf({ trigger, limit: PAGE })}`);
  const present = (letters.data?.items ?? []).filter(({ key }) => chosen.has(key));
  const selection =
    present.length > 0
      ? { keys: present.map(({ key }) => key) }
      : { all: true, ...(trigger === undefined ? {} : { trigger }) };
  const which =
    present.length > 0
      ? plural(present.length, 'dead letter')
      : trigger === undefined
        ? 'all dead letters'
        : `all of ${trigger}`;
  const toggle = (key: number): void => {
    const next = new Set(chosen);
    if (!next.delete(key)) next.add(key);
    setChosen(next);
  };
  return (
    <>
      <div className="row">
        <ActButton
          main
          text={`Redrive ${which}`}
          done="They are owed again."
          disabled={letters.data?.items.length === 0}
          ask={<p>Delivers {which} again, each to the trigger where it died.</p>}
          act={() => call('POST', '/dead-letters/redrive', { json: selection })}
        />
        <ActButton
          danger
          text={`Give up ${which}`}
          done="They are gone."
          disabled={letters.data?.items.length === 0}
          ask={<p>Deletes {which} for good. The events themselves stay in the log until it is pruned.</p>}
          act={() => call('POST', '/dead-letters/remove', { json: selection })}
        />
        {trigger === undefined ? null : (
          <button type="button" className="btn" onClick={() => setQuery({ trigger: undefined })}>
            Of all triggers
          </button>
        )}
      </div>
      <section className="panel">
        <Loaded
          query={letters}
          empty={
            <Empty title="No dead letters">
              What a trigger could not deliver, after all its attempts, is kept here until somebody redrives
              it.
            </Empty>
          }
        >
          {(items) => <LetterTable items={items} chosen={chosen} onToggle={toggle} onOpen={setOpened} />}
        </Loaded>
      </section>
      {opened === undefined ? null : <LetterDialog letterKey={opened} onClose={() => setOpened(undefined)} />}
    </>
  );
}

function LetterTable(props: {
  items: readonly DeadLetter[];
  chosen: ReadonlySet<number>;
  onToggle(key: number): void;
  onOpen(key: number): void;
}) {
  return (
    <Scroll>
      <table>
        <thead>
          <tr>
            <th>
              <span className="sr">Choose</span>
            </th>
            <th>Died</th>
            <th>Trigger</th>
            <th>Event</th>
            <th>Error</th>
            <th className="num">Attempts</th>
            <th>
              <span className="sr">Acts</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {props.items.map((each) => (
            <tr key={each.key}>
              <td>
                <input
                  type="checkbox"
                  aria-label={`Choose ${each.id}`}
                  checked={props.chosen.has(each.key)}
                  onChange={() => props.onToggle(each.key)}
                />
              </td>
              <td className="nowrap soft" title={exact(each.diedMs)}>
                {dateAndClock(each.diedMs)}
              </td>
              <td>{each.trigger}</td>
              <td>
                <strong>{each.type}</strong>
                <div className="under mono">{each.id}</div>
              </td>
              <td className="wrap">
                <span className="bad">{each.error.errorType}</span> {each.error.errorMessage.slice(0, 160)}
              </td>
              <td className="num">{each.attempts}</td>
              <td className="num">
                <button type="button" className="btn small" onClick={() => props.onOpen(each.key)}>
                  Open
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function LetterDialog({ letterKey, onClose }: { letterKey: number; onClose(): void }) {
  const { data, error } = useLive<DeadLetter>(pathOf('dead-letters', letterKey), { once: true });
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
