import type { ReactNode } from 'react';
import { pretty } from '../show.ts';
import { Code } from './code.tsx';

/** What is no longer is seen at a glance: there is nothing to fold or to search, and the editor need not load. */
const PLAIN_LINES_MAX = 12;
const PLAIN_CHARS_MAX = 2_000;
const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** JSON as text with its colours. What is in it is never markup. */
export function Json({
  value,
  text = pretty(value),
  label,
}: {
  value?: unknown;
  text?: string;
  label: string;
}) {
  if (isLonger(text))
    return (
      <section className="box code-box" aria-label={label}>
        <Code label={label} text={text} />
      </section>
    );
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard
    <section className="box" tabIndex={0} aria-label={label}>
      <pre>{coloured(text)}</pre>
    </section>
  );
}

const isLonger = (text: string): boolean =>
  text.length > PLAIN_CHARS_MAX || text.split('\n', PLAIN_LINES_MAX + 1).length > PLAIN_LINES_MAX;

function coloured(text: string): ReactNode[] {
  const parts: ReactNode[] = [];
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    parts.push(text.slice(end, match.index));
    const [whole, string, colon] = match;
    const kind = string === undefined ? 'json-value' : colon === undefined ? 'json-string' : 'json-key';
    parts.push(
      <span key={match.index} className={kind}>
        {string ?? whole}
      </span>,
      colon,
    );
    end = match.index + whole.length;
  }
  parts.push(text.slice(end));
  return parts;
}

/** Why a text is not JSON; `undefined`: it is. */
export function jsonProblem(text: string): string | undefined {
  if (text.trim() === '') return undefined;
  try {
    JSON.parse(text);
    return undefined;
  } catch (thrown) {
    return (thrown as Error).message;
  }
}

export function JsonEditor(props: {
  label: string;
  value: string;
  onChange(text: string): void;
  rows?: number;
}) {
  const problem = jsonProblem(props.value);
  return (
    <div className="stack">
      <span aria-hidden="true">{props.label}</span>
      <Code label={props.label} text={props.value} onChange={props.onChange} rows={props.rows ?? 10} />
      {problem === undefined ? null : <span className="bad">Not JSON: {problem}</span>}
    </div>
  );
}
