import { useState } from 'react';
import type { CallPayload, InvocationRecord, RequestAnswer } from '../answers.ts';
import { call } from '../api.ts';
import { refreshAll } from '../query-client.ts';
import { Link, pathOf } from '../route.tsx';
import { Badge } from './badge.tsx';
import { Json, JsonEditor } from './json.tsx';
import { Panel, Problem } from './panel.tsx';
import { tidyText } from './payloads.tsx';
import { TestPanel } from './test-panel.tsx';

const REDACTED = '[redacted]';
/** Set anew with each request. */
const OWN_HEADERS = /^(?:content-length|connection|transfer-encoding|x-request-id|accept-encoding)$/;

/** Makes a call again with what went into it, edited: over its route where it came over HTTP, else with its event. */
export function Replay({ made, input }: { made: InvocationRecord; input: CallPayload | undefined }) {
  const isHttp = made.trigger === 'http' && input?.head !== undefined && input.encoding === 'utf8';
  return (
    <details className="replay">
      <summary className="btn">
        {isHttp ? 'Send it again, edited' : 'Call it again with an edited event'}
      </summary>
      {isHttp ? (
        <ReplayRequest input={input} />
      ) : (
        <TestPanel
          view={{ app: made.app, name: made.function }}
          event={input === undefined || input.cut ? undefined : tidyText(input.body)}
        />
      )}
    </details>
  );
}

interface Draft {
  readonly method: string;
  readonly target: string;
  /** Lines of `name: value`. */
  readonly headers: string;
  readonly body: string;
}

function draftOf(input: CallPayload): Draft {
  const [method = 'GET', target = '/'] = input.head!.split(' ');
  const body = input.cut ? '' : tidyText(input.body);
  return { method, target, headers: textOfHeaders(input.headers ?? []), body };
}

function ReplayRequest({ input }: { input: CallPayload }) {
  const [draft, setDraft] = useState(draftOf(input));
  const [state, setState] = useState<RequestAnswer | 'sending' | undefined>();
  const [error, setError] = useState<Error | null>(null);
  const send = async (): Promise<void> => {
    setState('sending');
    setError(null);
    try {
      const json = { ...draft, headers: headersOfText(draft.headers) };
      setState(await call<'sendRequest'>('POST', '/requests', { json }));
      await refreshAll();
    } catch (thrown) {
      setState(undefined);
      setError(thrown as Error);
    }
  };
  return (
    <div className="grid">
      <Panel title="Request" className="half">
        <div className="pad payload">
          <RequestEditor draft={draft} onChange={(changes) => setDraft({ ...draft, ...changes })} />
          {input.headers?.some(([, value]) => value === REDACTED) === true ? (
            <p className="soft">
              Headers with credentials were not kept. Add them where the function wants them; they are sent
              with this one request.
            </p>
          ) : null}
          {input.cut ? <p className="soft">The body was too long to be kept: write one.</p> : null}
          <div className="row">
            <button
              type="button"
              className="btn main"
              disabled={state === 'sending'}
              onClick={() => void send()}
            >
              {state === 'sending' ? 'Sending…' : 'Send'}
            </button>
          </div>
        </div>
      </Panel>
      <AnswerPanel state={state} error={error} />
    </div>
  );
}

function RequestEditor({ draft, onChange }: { draft: Draft; onChange(changes: Partial<Draft>): void }) {
  return (
    <>
      <div className="row">
        <input
          className="field mono"
          aria-label="Method"
          style={{ width: 92 }}
          value={draft.method}
          onChange={(event) => onChange({ method: event.target.value.toUpperCase() })}
        />
        <input
          className="field mono grow"
          aria-label="Path and query"
          value={draft.target}
          onChange={(event) => onChange({ target: event.target.value })}
        />
      </div>
      <label className="stack">
        Headers
        <textarea
          className="field"
          rows={4}
          spellCheck={false}
          value={draft.headers}
          onChange={(event) => onChange({ headers: event.target.value })}
        />
      </label>
      <BodyEditor body={draft.body} onChange={(body) => onChange({ body })} />
    </>
  );
}

function AnswerPanel({
  state,
  error,
}: {
  state: RequestAnswer | 'sending' | undefined;
  error: Error | null;
}) {
  const answer = typeof state === 'object' ? state : undefined;
  return (
    <Panel
      title="Answer"
      className="half"
      more={
        answer?.id === undefined ? undefined : (
          <Link className="link" to={pathOf('invocations', answer.id)}>
            open the invocation
          </Link>
        )
      }
    >
      <div className="pad payload" aria-live="polite">
        <Problem error={error} />
        {answer === undefined ? (
          <p className="soft">{state === undefined ? 'Send it to see what comes back.' : 'It runs…'}</p>
        ) : (
          <>
            <span className="row">
              <Badge status={answer.status < 400 ? 'ok' : 'error'} text={String(answer.status)} />
              <span className="soft">{answer.headers.find(([name]) => name === 'content-type')?.[1]}</span>
            </span>
            <Json label="Answer" text={tidyText(answer.body)} />
          </>
        )}
      </div>
    </Panel>
  );
}

function BodyEditor({ body, onChange }: { body: string; onChange(text: string): void }) {
  if (/^\s*[[{]/.test(body))
    return <JsonEditor label="Body (JSON)" value={body} onChange={onChange} rows={10} />;
  return (
    <label className="stack">
      Body
      <textarea
        className="field"
        rows={6}
        spellCheck={false}
        value={body}
        onChange={(event) => onChange(event.target.value)}
      />
    </label>
  );
}

const textOfHeaders = (headers: NonNullable<CallPayload['headers']>): string =>
  headers
    .filter(([name, value]) => value !== REDACTED && !OWN_HEADERS.test(name))
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n');

const headersOfText = (text: string): [string, string][] =>
  text.split('\n').flatMap((line): [string, string][] => {
    const colon = line.indexOf(':');
    return colon <= 0 ? [] : [[line.slice(0, colon).trim(), line.slice(colon + 1).trim()]];
  });
