import { type ReactNode, useState } from 'react';
import { call } from '../api.ts';
import { go, pathOf } from '../route.tsx';
import { ActButton, Dialog } from './ask.tsx';
import { JsonEditor, jsonProblem } from './json.tsx';

/** Sends a named signal with a JSON input to an execution. */
export function SendSignal({ id }: { id: string }) {
  return (
    <NamedInput
      button="Send a signal"
      label="Name of the signal"
      send={(name, text) => call('POST', pathOf('executions', id, 'signals', name), { text })}
    >
      The execution gets it when its code next waits for a signal of this name.
    </NamedInput>
  );
}

/** Answers what waits for an answer from outside. */
export function AnswerCallback() {
  return (
    <NamedInput
      button="Answer a callback"
      label="Token of the callback"
      send={(token, text) => call('POST', pathOf('callbacks', token), { text })}
    >
      The execution that handed out this token goes on with the answer.
    </NamedInput>
  );
}

/** Answers a callback that an execution waits for, where it is seen to wait. */
export function AnswerStep({ id, op, name }: { id: string; op: number; name: string }) {
  return (
    <NamedInput
      button="Answer"
      send={(_name, text) => call('POST', pathOf('executions', id, 'callbacks', op), { text })}
    >
      The execution goes on, with this as the answer to {name}.
    </NamedInput>
  );
}

/** Starts a workflow. */
export function StartExecution({ app, workflow }: { app: string; workflow: string }) {
  return (
    <NamedInput
      button={`Start ${workflow}`}
      initial="null"
      send={async (_name, text) => {
        const path = `/apps${pathOf(app, 'workflows', workflow, 'executions')}`;
        const { id } = await call<'startExecution'>('POST', path, { text });
        go(pathOf('executions', id));
      }}
    >
      Starts an execution with this input, on the version that is live.
    </NamedInput>
  );
}

function NamedInput(props: {
  button: string;
  /** What the name is; left out: none is asked for. */
  label?: string;
  initial?: string;
  send(name: string, text: string): Promise<unknown>;
  children: ReactNode;
}) {
  const [open, setOpen] = useState(false);
  const [name, setName] = useState('');
  const [text, setText] = useState(props.initial ?? '{}');
  const send = async (): Promise<void> => {
    await props.send(name.trim(), text);
    setOpen(false);
  };
  return (
    <>
      <button type="button" className="btn" onClick={() => setOpen(true)}>
        {props.button}
      </button>
      {open ? (
        <Dialog label={props.button} onClose={() => setOpen(false)}>
          <div className="pad">
            <h2>{props.button}</h2>
            <p className="soft">{props.children}</p>
            {props.label === undefined ? null : (
              <label className="stack">
                {props.label}
                <input className="field" value={name} onChange={(event) => setName(event.target.value)} />
              </label>
            )}
            <JsonEditor label="Input (JSON)" value={text} onChange={setText} rows={6} />
          </div>
          <footer>
            <button type="button" className="btn" onClick={() => setOpen(false)}>
              Close
            </button>
            <ActButton
              main
              text="Send"
              done="It was taken."
              disabled={(props.label !== undefined && name.trim() === '') || jsonProblem(text) !== undefined}
              act={send}
            />
          </footer>
        </Dialog>
      ) : null}
    </>
  );
}
