import { type ReactNode, useState } from 'react';
import { call } from '../api.ts';
import { pathOf } from '../route.tsx';
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

function NamedInput(props: {
  button: string;
  label: string;
  send(name: string, text: string): Promise<unknown>;
  children: ReactNode;
}) {
  const [open, setOpen] = useState(false);
  const [name, setName] = useState('');
  const [text, setText] = useState('{}');
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
            <label className="stack">
              {props.label}
              <input className="field" value={name} onChange={(event) => setName(event.target.value)} />
            </label>
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
              disabled={name.trim() === '' || jsonProblem(text) !== undefined}
              act={send}
            />
          </footer>
        </Dialog>
      ) : null}
    </>
  );
}
