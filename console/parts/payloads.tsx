import type { CallPayload, CallPayloads } from '../answers.ts';
import { bytes, pretty } from '../show.ts';
import { Json } from './json.tsx';
import { Panel } from './panel.tsx';

const ABSENT = {
  yes: 'nothing',
  off: 'The manifest says that payloads of this function are not kept.',
  no: 'It was not kept: there were too many calls at that time, or it is too old.',
};

/** What went into a call and what came out, side by side. Only ever shown as text. */
export function Payloads({ payloads }: { payloads: CallPayloads }) {
  const { kept, input, output } = payloads;
  if (kept !== 'yes') {
    return (
      <Panel title="Input and output">
        <p className="pad soft">{ABSENT[kept]}</p>
      </Panel>
    );
  }
  return (
    <>
      <PayloadPanel title="Input" payload={input} />
      <PayloadPanel title="Output" payload={output} />
    </>
  );
}

function PayloadPanel({ title, payload }: { title: string; payload: CallPayload | undefined }) {
  const notes =
    payload === undefined
      ? []
      : [bytes(payload.bytes), payload.cut ? 'cut off' : '', payload.redacted ? 'credentials taken out' : ''];
  return (
    <Panel
      title={title}
      className="half"
      more={<span className="soft">{notes.filter((note) => note !== '').join(', ')}</span>}
    >
      <div className="pad payload">
        {payload === undefined ? (
          <p className="soft">{title === 'Output' ? 'It gave no answer.' : 'There was none.'}</p>
        ) : (
          <>
            {payload.head === undefined ? null : <code className="payload-head">{payload.head}</code>}
            {payload.headers === undefined || payload.headers.length === 0 ? null : (
              <details>
                <summary>{payload.headers.length} headers</summary>
                <dl className="headers">
                  {payload.headers.map(([name, value], at) => (
                    // biome-ignore lint/suspicious/noArrayIndexKey: a header may be there twice
                    <div key={at}>
                      <dt>{name}</dt>
                      <dd>{value}</dd>
                    </div>
                  ))}
                </dl>
              </details>
            )}
            {payload.body === '' ? (
              <p className="soft">no body</p>
            ) : (
              <Json
                label={title}
                text={payload.encoding === 'base64' ? payload.body : tidyText(payload.body)}
              />
            )}
          </>
        )}
      </div>
    </Panel>
  );
}

/** JSON laid out, where reading it as values changes nothing in it: large numbers stay what they are. */
export function tidyText(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    return JSON.stringify(value) === text.trim() ? pretty(value) : text;
  } catch {
    return text;
  }
}
