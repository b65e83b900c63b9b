import { useEffect, useRef, useState } from 'react';
import type { Answers, Trigger } from '../answers.ts';
import { call } from '../api.ts';
import { refreshAll, useAll } from '../query-client.ts';
import { count, plural } from '../show.ts';
import { Dialog } from './ask.tsx';
import { Problem } from './panel.tsx';
import { toast } from './toast.tsx';

/** Which stored events: all that are given must hold. Times as the browser's fields have them, in local time. */
export interface EventChoice {
  readonly type?: string | undefined;
  readonly source?: string | undefined;
  readonly subject?: string | undefined;
  readonly text?: string | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  /** To it alone, whatever its pattern. */
  readonly trigger?: string | undefined;
}

type Part = Answers['replayEvents'];

/** Events of one request: few enough that one sees it get on, and can stop it. */
const PART = 1_000;
/** What is counted anew once nobody has changed the choice for this long, in milliseconds. */
const COUNT_AFTER_MS = 300;

/** A button that delivers stored events once more: how many is shown first, and how far it is while it goes on. */
export function ReplayEvents({ choice }: { choice: EventChoice }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button type="button" className="btn" onClick={() => setOpen(true)}>
        Replay…
      </button>
      {isOpen ? <ReplayDialog choice={choice} onClose={() => setOpen(false)} /> : null}
    </>
  );
}

function ReplayDialog({ choice, onClose }: { choice: EventChoice; onClose(): void }) {
  const [chosen, setChosen] = useState(choice);
  const [done, setDone] = useState<Part | undefined>();
  const [error, setError] = useState<Error | null>(null);
  const stop = useRef(new AbortController());
  const counted = useCount(chosen);
  const triggers =
    useAll<'listTriggers'>('/triggers').data?.items.filter((each) => each.source !== null) ?? [];
  useEffect(() => () => stop.current.abort(), []);
  const run = async (): Promise<void> => {
    setError(null);
    stop.current = new AbortController();
    try {
      const { events, deliveries } = await inParts(
        chosen,
        counted.beganMs,
        false,
        stop.current.signal,
        setDone,
      );
      toast(`${plural(events, 'event')} replayed: ${plural(deliveries, 'delivery', 'deliveries')}.`);
      await refreshAll();
      onClose();
    } catch (thrown) {
      setDone(undefined);
      if (stop.current.signal.aborted) toast('Stopped. What was replayed so far is owed.');
      else setError(thrown as Error);
    }
  };
  const isCounted = counted.sum !== undefined && counted.sum.next === undefined;
  const events = counted.sum?.events ?? 0;
  return (
    <Dialog label="Replay events" onClose={onClose}>
      <div className="pad">
        <h2>Replay events</h2>
        <Fields
          chosen={chosen}
          triggers={triggers}
          onChange={(changes) => setChosen({ ...chosen, ...changes })}
        />
        <HowMany counted={counted} trigger={chosen.trigger} />
        {done === undefined ? null : <Progress done={done.events} all={events} />}
        <Problem error={error ?? counted.error} />
      </div>
      <footer>
        {done === undefined ? (
          <>
            <button type="button" className="btn" onClick={onClose}>
              Close
            </button>
            <button
              type="button"
              className="btn main"
              disabled={!isCounted || events === 0}
              onClick={() => void run()}
            >
              Replay {isCounted ? plural(events, 'event') : ''}
            </button>
          </>
        ) : (
          <button type="button" className="btn" onClick={() => stop.current.abort()}>
            Stop
          </button>
        )}
      </footer>
    </Dialog>
  );
}

const Progress = ({ done, all }: { done: number; all: number }) => (
  <div className="row">
    <progress aria-label="Replayed" max={Math.max(1, all)} value={done} />
    <span>
      {count(done)} of {count(all)}
    </span>
  </div>
);

function HowMany({ counted, trigger }: { counted: Counted; trigger: string | undefined }) {
  const { sum, error } = counted;
  return (
    <p role="status">
      {sum === undefined ? (
        <span className="soft">{error === null ? 'Counting…' : ''}</span>
      ) : (
        <>
          <strong>{plural(sum.events, 'event')}</strong>
          {sum.next === undefined ? '' : ' so far, counting…'}:{' '}
          {plural(sum.deliveries, 'delivery', 'deliveries')} to{' '}
          {trigger ?? 'every trigger whose pattern matches'}
          <br />
          <span className="soft">
            Functions get the same events with the same ids again, also those that had them already.
          </span>
        </>
      )}
    </p>
  );
}

const ATTRIBUTES = ['type', 'source', 'subject', 'text'] as const;

function Fields(props: {
  chosen: EventChoice;
  triggers: readonly Trigger[];
  onChange(changes: EventChoice): void;
}) {
  const { chosen, triggers, onChange } = props;
  return (
    <div className="fields">
      {ATTRIBUTES.map((name) => (
        <label key={name} className="stack">
          {name === 'text' ? 'Text within' : `Exact ${name}`}
          <input
            className="field"
            value={chosen[name] ?? ''}
            onChange={(event) => onChange({ [name]: event.target.value })}
          />
        </label>
      ))}
      {(['since', 'until'] as const).map((name) => (
        <label key={name} className="stack">
          {name === 'since' ? 'Received since' : 'Received before'}
          <input
            className="field"
            type="datetime-local"
            step="1"
            value={chosen[name] ?? ''}
            onChange={(event) => onChange({ [name]: event.target.value })}
          />
        </label>
      ))}
      <label className="stack whole">
        To
        <select
          className="field"
          aria-label="To"
          value={chosen.trigger ?? ''}
          onChange={(event) => onChange({ trigger: event.target.value || undefined })}
        >
          <option value="">every trigger whose pattern matches</option>
          {triggers.map(({ id }) => (
            <option key={id} value={id}>
              {id} alone, whatever its pattern
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}

interface Counted {
  readonly sum: Part | undefined;
  readonly error: Error | null;
  readonly beganMs: number;
}

/** Counts what is chosen, as of now: what is stored later is delivered anyway. */
function useCount(chosen: EventChoice): Counted {
  const [state, setState] = useState<Counted>({ sum: undefined, error: null, beganMs: 0 });
  const key = JSON.stringify(chosen);
  useEffect(() => {
    const control = new AbortController();
    const beganMs = Date.now();
    setState({ sum: undefined, error: null, beganMs });
    const timer = setTimeout(() => {
      const show = (sum: Part): void => setState({ sum, error: null, beganMs });
      inParts(JSON.parse(key) as EventChoice, beganMs, true, control.signal, show).catch(
        (thrown: unknown) => {
          if (!control.signal.aborted) setState({ sum: undefined, error: thrown as Error, beganMs });
        },
      );
    }, COUNT_AFTER_MS);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, [key]);
  return state;
}

/** Part by part, each shown as it is done. */
async function inParts(
  { since, until, ...chosen }: EventChoice,
  beganMs: number,
  dryRun: boolean,
  signal: AbortSignal,
  onPart: (sum: Part) => void,
): Promise<Part> {
  const wanted = Object.fromEntries(Object.entries(chosen).filter(([, value]) => value));
  const untilMs = until ? Math.min(new Date(until).getTime(), beganMs) : beganMs;
  const filter = {
    ...wanted,
    ...(since ? { since: String(new Date(since).getTime()) } : {}),
    until: String(untilMs),
  };
  let sum: Part = { events: 0, deliveries: 0 };
  for (let after: number | undefined = 0; after !== undefined; ) {
    const json = { ...filter, dryRun, limit: PART, ...(after === 0 ? {} : { after }) };
    const part: Part = await call<'replayEvents'>('POST', '/events/replay', { json, signal });
    after = part.next;
    sum = {
      events: sum.events + part.events,
      deliveries: sum.deliveries + part.deliveries,
      ...(after === undefined ? {} : { next: after }),
    };
    onPart(sum);
  }
  return sum;
}
