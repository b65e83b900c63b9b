import { useState } from 'react';
import type { LargePayload } from '../answers.ts';
import { API, callText, queryOf } from '../api.ts';
import { pathOf } from '../route.tsx';
import { bytes } from '../show.ts';
import { Json } from './json.tsx';
import { Problem } from './panel.tsx';

/** So much of a large value is fetched at once, and so much of it is shown: more is for a file. */
const PART_BYTES = 64 * 1024;
const SHOWN_BYTES_MAX = 1024 * 1024;

/** What went in or came out; nothing of what is not there. */
export function Value(props: {
  execution: string;
  title: string;
  /** What it is called where the title does not say it. */
  label?: string;
  value: unknown;
  large: LargePayload | undefined;
}) {
  const { execution, title, label = title, value, large } = props;
  if (large === undefined && value === undefined) return null;
  return (
    <section>
      <h3>{title}</h3>
      {large === undefined ? (
        <Json label={label} value={value} />
      ) : (
        <LargeValue key={large.blob} execution={execution} label={label} large={large} />
      )}
    </section>
  );
}

/** Its size and where it is to be had; a part of it, and more of it when asked for. */
function LargeValue(props: { execution: string; label: string; large: LargePayload }) {
  const { execution, label, large } = props;
  const [shown, setShown] = useState({ text: '', bytes: 0 });
  const [problem, setProblem] = useState<Error | null>(null);
  const path = pathOf('executions', execution, 'payloads', large.blob);
  const more = async (): Promise<void> => {
    try {
      const part = await callText('GET', path + queryOf({ from: shown.bytes, limit: PART_BYTES }));
      setShown({ text: shown.text + part, bytes: Math.min(large.bytes, shown.bytes + PART_BYTES) });
      setProblem(null);
    } catch (thrown) {
      setProblem(thrown as Error);
    }
  };
  const isMore = shown.bytes < Math.min(large.bytes, SHOWN_BYTES_MAX);
  return (
    <>
      <div className="row">
        <a className="link" href={API + path} download={`${large.blob.slice(0, 12)}.json`}>
          {bytes(large.bytes)} of JSON
        </a>
        {isMore ? (
          <button type="button" onClick={() => void more()}>
            {shown.bytes === 0 ? 'Show its beginning' : 'Show more'}
          </button>
        ) : null}
      </div>
      {problem === null ? null : <Problem error={problem} />}
      {shown.text === '' ? null : <Json label={label} text={shown.text} />}
    </>
  );
}
