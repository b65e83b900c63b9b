import type { ReactNode } from 'react';
import { pretty } from '../show.ts';

/** Characters that are coloured; longer texts are shown plain, because each token is an element of the page. */
const COLOURED_CHARS_MAX = 20_000;
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
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard
    <section className="box" tabIndex={0} aria-label={label}>
      <pre>{text.length > COLOURED_CHARS_MAX ? text : coloured(text)}</pre>
    </section>
  );
}

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
    <label className="stack">
      {props.label}
      <textarea
        className="field"
        rows={props.rows ?? 10}
        spellCheck={false}
        value={props.value}
        onChange={(event) => props.onChange(event.target.value)}
        aria-invalid={problem !== undefined}
      />
      {problem === undefined ? null : <span className="bad">Not JSON: {problem}</span>}
    </label>
  );
}
