import { useState } from 'react';
import type { FunctionView, InvocationError } from '../answers.ts';
import { callText } from '../api.ts';
import { EVENT_TEMPLATES } from '../event-templates.ts';
import { refreshAll } from '../query-client.ts';
import { Link, pathOf, setQuery, useRoute } from '../route.tsx';
import { pretty } from '../show.ts';
import { ErrorView } from './error-view.tsx';
import { Json, JsonEditor, jsonProblem } from './json.tsx';
import { LogView } from './log-view.tsx';
import { Panel, Problem } from './panel.tsx';

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
export function TestPanel({ view }: { view: Pick<FunctionView, 'app' | 'name'> }) {
  const { app, name } = view;
  const { query } = useRoute();
  const [event, setEvent] = useState(query.event ?? localStorage.getItem(keyOf(app, name)) ?? '{}');
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
      <EventEditor event={event} busy={busy} onChange={setEvent} onSend={(mode) => void send(mode)} />
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
        <label className="row soft">
          Template
          <select
            className="field"
            value=""
            onChange={(change) => props.onChange(pretty(EVENT_TEMPLATES[change.target.value]))}
          >
            <option value="" disabled>
              choose one…
            </option>
            {Object.keys(EVENT_TEMPLATES).map((title) => (
              <option key={title}>{title}</option>
            ))}
          </select>
        </label>
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
        </div>
      </div>
    </Panel>
  );
}

function OutcomeView({ outcome }: { outcome: Outcome }) {
  const { status, result, error, billedMs } = outcome;
  if (error !== undefined) return <ErrorView error={error} />;
  if (status === 'stored') return <div className="note good">It is stored, and will be called.</div>;
  return (
    <>
      <div className="note good">It ended well, {billedMs} ms billed.</div>
      <Json label="Result" text={tidy(result ?? 'null')} />
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

/** Laid out, where that changes no number. */
function tidy(text: string): string {
  const value: unknown = JSON.parse(text);
  return JSON.stringify(value) === text ? pretty(value) : text;
}
