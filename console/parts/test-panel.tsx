import { useState } from 'react';
import type { InvocationError, LiveFunction } from '../answers.ts';
import { call, callText } from '../api.ts';
import { EVENT_TEMPLATES, type Template, templatesOf } from '../event-templates.ts';
import { refreshAll, useAll, useLive } from '../query-client.ts';
import { Link, pathOf, setQuery, useRoute } from '../route.tsx';
import { pretty } from '../show.ts';
import { ActButton } from './ask.tsx';
import { ErrorView } from './error-view.tsx';
import { Json, JsonEditor, jsonProblem } from './json.tsx';
import { LogView } from './log-view.tsx';
import { Panel, Problem } from './panel.tsx';
import { tidyText } from './payloads.tsx';

const keyOf = (app: string, name: string): string => `lambent-event ${app}/${name}`;
/** Longer events are kept in this browser, but make no address to share. */
const SHARED_CHARS_MAX = 2_000;

interface Outcome {
  readonly id: string;
  readonly status: 'ok' | 'failed' | 'stored';
  /** The result as the function wrote it. */
  readonly result?: string;
  readonly error?: InvocationError;
  readonly billedMs?: number;
}

/** Calls a function with an event that is edited here. The last event of each function is kept in this browser. */
export function TestPanel(props: { view: Pick<LiveFunction, 'app' | 'name'>; event?: string | undefined }) {
  const { app, name } = props.view;
  const { query } = useRoute();
  const [event, setEvent] = useState(
    props.event ?? query.event ?? localStorage.getItem(keyOf(app, name)) ?? '{}',
  );
  const [busy, setBusy] = useState(false);
  const [outcome, setOutcome] = useState<Outcome | undefined>();
  const [error, setError] = useState<Error | null>(null);
  const send = async (mode: 'sync' | 'async'): Promise<void> => {
    setBusy(true);
    setError(null);
    setOutcome(undefined);
    localStorage.setItem(keyOf(app, name), event);
    if (event.length <= SHARED_CHARS_MAX) setQuery({ event });
    try {
      setOutcome(
        readOutcome(
          await callText('POST', `${pathOf('apps', app, 'functions', name, 'invocations')}?mode=${mode}`, {
            text: event,
          }),
        ),
      );
      await refreshAll();
    } catch (thrown) {
      setError(thrown as Error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="grid">
      <EventEditor
        view={props.view}
        event={event}
        busy={busy}
        onChange={setEvent}
        onSend={(mode) => void send(mode)}
      />
      <Panel
        title="Result"
        className="half"
        more={
          outcome === undefined ? undefined : (
            <Link className="link" to={pathOf('invocations', outcome.id)}>
              open the invocation
            </Link>
          )
        }
      >
        <div className="pad" style={{ display: 'grid', gap: 12 }} aria-live="polite">
          <Problem error={error} />
          {outcome === undefined && error === null ? (
            <p className="soft">{busy ? 'It runs…' : 'Call it to see what it returns and prints.'}</p>
          ) : null}
          {outcome === undefined ? null : <OutcomeView outcome={outcome} />}
        </div>
      </Panel>
      {outcome === undefined ? null : <LogView key={outcome.id} filter={{ invocation: outcome.id }} live />}
    </div>
  );
}

function EventEditor(props: {
  view: Pick<LiveFunction, 'app' | 'name'>;
  event: string;
  busy: boolean;
  onChange(event: string): void;
  onSend(mode: 'sync' | 'async'): void;
}) {
  const { event } = props;
  const isBroken = jsonProblem(event) !== undefined;
  return (
    <Panel title="Event" className="half">
      <div className="pad" style={{ display: 'grid', gap: 12 }}>
        <EventChoice view={props.view} onChange={props.onChange} />
        <JsonEditor label="Event (JSON)" value={event} onChange={props.onChange} rows={14} />
        <div className="row">
          <button
            type="button"
            className="btn main"
            disabled={props.busy || isBroken}
            onClick={() => props.onSend('sync')}
          >
            {props.busy ? 'Calling…' : 'Call'}
          </button>
          <button
            type="button"
            className="btn"
            disabled={props.busy || isBroken}
            title="Stored, then called at least once"
            onClick={() => props.onSend('async')}
          >
            Call later
          </button>
          <button
            type="button"
            className="btn"
            disabled={isBroken}
            onClick={() => props.onChange(pretty(JSON.parse(event || '{}')))}
          >
            Tidy
          </button>
          <span className="grow" />
          <SaveEvent view={props.view} event={event} disabled={isBroken} />
        </div>
      </div>
    </Panel>
  );
}

type Target = Pick<LiveFunction, 'app' | 'name'>;
const eventsPath = ({ app, name }: Target): string => pathOf('apps', app, 'functions', name, 'events');

/** Events that people kept for this function, and templates: first those of its own triggers and routes. */
function EventChoice({ view, onChange }: { view: Target; onChange(event: string): void }) {
  const saved = useLive<'listSavedEvents'>(eventsPath(view)).data?.items ?? [];
  const triggers = useAll<'listTriggers'>('/triggers').data?.items ?? [];
  const own = templatesOf(view, triggers);
  const general = Object.entries(EVENT_TEMPLATES).map(([title, event]) => ({ title, event }));
  const [chosen, setChosen] = useState('');
  const take = (value: string): void => {
    const [kind, title = ''] = [value.slice(0, 1), value.slice(1)];
    setChosen(kind === 's' ? title : '');
    if (kind === 's') onChange(tidyText(saved.find(({ name }) => name === title)?.event ?? '{}'));
    else onChange(pretty([...own, ...general].find((each) => each.title === title)?.event ?? {}));
  };
  return (
    <div className="row">
      <label className="row soft">
        Begin with
        <select className="field" value="" onChange={(change) => take(change.target.value)}>
          <option value="" disabled>
            {chosen === '' ? 'choose one…' : chosen}
          </option>
          {saved.length === 0 ? null : (
            <optgroup label="Kept on this server">
              {saved.map(({ name }) => (
                <option key={name} value={`s${name}`}>
                  {name}
                </option>
              ))}
            </optgroup>
          )}
          {[
            ['Of this function', own],
            ['Shapes of events', general],
          ].map(([label, templates]) =>
            templates!.length === 0 ? null : (
              <optgroup key={label as string} label={label as string}>
                {(templates as Template[]).map(({ title }) => (
                  <option key={title} value={`t${title}`}>
                    {title}
                  </option>
                ))}
              </optgroup>
            ),
          )}
        </select>
      </label>
      {chosen === '' ? null : (
        <ActButton
          small
          text="Forget"
          done={`${chosen} is forgotten.`}
          ask={<p>The event {chosen} is removed from this server, for everybody.</p>}
          act={async () => {
            await call('DELETE', `${eventsPath(view)}${pathOf(chosen)}`);
            setChosen('');
          }}
        />
      )}
    </div>
  );
}

/** Keeps the event on the server, for everybody. */
function SaveEvent({ view, event, disabled }: { view: Target; event: string; disabled: boolean }) {
  const [name, setName] = useState('');
  const saved = useLive<'listSavedEvents'>(eventsPath(view)).data?.items ?? [];
  const isReplaced = saved.some((each) => each.name === name.trim());
  return (
    <>
      <input
        className="field"
        aria-label="Name to keep the event under"
        placeholder="Name, as large order"
        style={{ width: 170 }}
        maxLength={100}
        value={name}
        onChange={(change) => setName(change.target.value)}
      />
      <ActButton
        text="Keep"
        title="On this server, for everybody who uses it"
        disabled={disabled || name.trim() === ''}
        done={`${name} is kept.`}
        ask={
          isReplaced ? (
            <p>An event is kept as {name.trim()}. This one takes its place, for everybody.</p>
          ) : undefined
        }
        act={() => call('PUT', `${eventsPath(view)}${pathOf(name.trim())}`, { json: { event } })}
      />
    </>
  );
}

function OutcomeView({ outcome }: { outcome: Outcome }) {
  const { status, result, error, billedMs } = outcome;
  if (error !== undefined) return <ErrorView error={error} />;
  if (status === 'stored') return <div className="note good">It is stored, and will be called.</div>;
  return (
    <>
      <div className="note good">It ended well, {billedMs} ms billed.</div>
      <Json label="Result" text={tidyText(result ?? 'null')} />
    </>
  );
}

/** The answer's result is kept as it was written: reading it as values would change large numbers. */
function readOutcome(text: string): Outcome {
  const { id, status, error, billedMs } = JSON.parse(text) as Outcome & { status?: 'ok' | 'failed' };
  if (status === undefined) return { id, status: 'stored' };
  const result = /^\{"id":"[^"]*","status":"ok","result":([\s\S]*),"billedMs":\d+(?:\.\d+)?\}$/.exec(
    text,
  )?.[1];
  return {
    id,
    status,
    ...(result === undefined ? {} : { result }),
    ...(error === undefined ? {} : { error }),
    ...(billedMs === undefined ? {} : { billedMs }),
  };
}
