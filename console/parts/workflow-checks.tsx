import { type ReactNode, useState } from 'react';
import type { Answers } from '../answers.ts';
import { call, get } from '../api.ts';
import { Link, pathOf } from '../route.tsx';
import { Dialog } from './ask.tsx';
import { Badge } from './badge.tsx';
import { Problem } from './panel.tsx';
import { toast } from './toast.tsx';

/** Would the code that is live now go the way that this execution went? Nothing of it happens. */
export function CheckReplay({ id, app, workflow }: { id: string; app: string; workflow: string }) {
  return (
    <AskedDialog<Answers['replayExecution']>
      button="Check with live code"
      read={() => call<'replayExecution'>('POST', pathOf('executions', id, 'replay'))}
    >
      {({ deployment, status, error }) => (
        <>
          <p>
            <Badge
              status={status === 'same' ? 'ok' : 'failed'}
              text={status === 'same' ? 'goes the same way' : 'goes another way'}
            />
          </p>
          <p>
            {status === 'same'
              ? `The code of d${deployment} does what this execution recorded: one that is under way would go on with it.`
              : `The code of d${deployment} does something else than this execution recorded: one that is under way there stays on the version that it began with.`}
          </p>
          {error === undefined ? null : (
            <pre className="box">
              {error.errorType}: {error.errorMessage}
            </pre>
          )}
          <p className="soft">
            What was recorded was held against{' '}
            <Link className="link" to={pathOf('functions', app, workflow)}>
              {workflow}
            </Link>
            ; no step ran.
          </p>
        </>
      )}
    </AskedDialog>
  );
}

/** What follows what in a workflow, as text that Markdown draws. */
export function MermaidText({ app, workflow }: { app: string; workflow: string }) {
  return (
    <AskedDialog<Answers['getWorkflowGraph']>
      button="Mermaid"
      read={() =>
        get<'getWorkflowGraph'>(`/apps${pathOf(app, 'workflows', workflow, 'graph')}?format=mermaid`)
      }
    >
      {({ mermaid, source, executions }) => (
        <>
          <p className="soft">
            {source === 'definition'
              ? 'As its definition has it.'
              : executions === 0
                ? 'Of code it is learnt from executions, and there are none yet.'
                : `As its latest ${executions === 1 ? 'execution' : `${executions} executions`} went.`}{' '}
            In Markdown, a block of code whose language is mermaid is drawn.
          </p>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard */}
          <section className="box" tabIndex={0} aria-label="Mermaid text">
            <pre>{mermaid}</pre>
          </section>
          <div>
            <button type="button" className="btn" onClick={() => void copy(mermaid ?? '')}>
              Copy
            </button>
          </div>
        </>
      )}
    </AskedDialog>
  );
}

/** Browsers let only pages of this machine or over TLS write to the clipboard. */
async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast('It is in the clipboard.');
  } catch {
    toast('The browser did not allow it: select the text and copy it.');
  }
}

/** A button that opens what the server answers. */
function AskedDialog<Answer>(props: {
  button: string;
  read(): Promise<Answer>;
  children(answer: Answer): ReactNode;
}) {
  const [state, setState] = useState<'closed' | 'asking' | { readonly answer: Answer }>('closed');
  const [error, setError] = useState<Error | null>(null);
  const open = async (): Promise<void> => {
    setError(null);
    setState('asking');
    try {
      const answer = await props.read();
      // Whoever closed it meanwhile does not want it any more.
      setState((present) => (present === 'asking' ? { answer } : present));
    } catch (thrown) {
      setError(thrown as Error);
    }
  };
  const close = (): void => setState('closed');
  return (
    <>
      <button type="button" className="btn" onClick={() => void open()}>
        {props.button}
      </button>
      {state === 'closed' ? null : (
        <Dialog label={props.button} onClose={close}>
          <div className="pad">
            <h2>{props.button}</h2>
            <Problem error={error} />
            {state === 'asking'
              ? error === null && <p className="soft">The server looks…</p>
              : props.children(state.answer)}
          </div>
          <footer>
            <button type="button" className="btn" onClick={close}>
              Close
            </button>
          </footer>
        </Dialog>
      )}
    </>
  );
}
