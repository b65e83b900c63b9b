import { type ReactNode, useLayoutEffect, useRef, useState } from 'react';
import { refreshAll } from '../query-client.ts';
import { Problem } from './panel.tsx';
import { toast } from './toast.tsx';

/**
 * A dialog of the browser's own: focus stays inside, Escape closes, focus returns to where it was; to the content where
 * that is gone, or was nowhere.
 */
export function Dialog(props: { label: string; className?: string; onClose(): void; children: ReactNode }) {
  const ref = useRef<HTMLDialogElement>(null);
  // Before the next key is heard: after the dialog has left the page, Tab would begin at the page's end.
  useLayoutEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement as HTMLElement | null;
    dialog?.showModal();
    return () => {
      dialog?.close();
      const isThere = before !== null && before !== document.body && before.isConnected;
      (isThere ? before : document.getElementById('main'))?.focus({ preventScroll: true });
    };
  }, []);
  return (
    <dialog ref={ref} className={props.className ?? ''} aria-label={props.label} onClose={props.onClose}>
      {props.children}
    </dialog>
  );
}

/**
 * A button that changes something. With `ask` it first says what will happen and wants it confirmed. What went wrong
 * is shown where the person looks; what went well is a passing word, and everything on the screen is read anew.
 */
export function ActButton(props: {
  text: string;
  act(): Promise<unknown>;
  done: string;
  ask?: ReactNode;
  danger?: boolean;
  main?: boolean;
  small?: boolean;
  disabled?: boolean;
  title?: string;
}) {
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const run = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      await props.act();
      setOpen(false);
      toast(props.done);
      await refreshAll();
    } catch (thrown) {
      setError(thrown as Error);
      setOpen(true);
    } finally {
      setBusy(false);
    }
  };
  const look = `btn ${props.danger ? 'danger' : ''} ${props.main ? 'main' : ''} ${props.small ? 'small' : ''}`;
  return (
    <>
      <button
        type="button"
        className={look}
        disabled={busy || props.disabled === true}
        title={props.title}
        onClick={() => (props.ask === undefined ? void run() : setOpen(true))}
      >
        {props.text}
      </button>
      {open ? (
        <Dialog label={props.text} onClose={() => setOpen(false)}>
          <div className="pad">
            <h2>{props.text}</h2>
            {props.ask === undefined ? null : <div>{props.ask}</div>}
            <Problem error={error} />
          </div>
          <footer>
            <button type="button" className="btn" onClick={() => setOpen(false)}>
              Close
            </button>
            <button
              type="button"
              className={`btn main ${props.danger ? 'danger' : ''}`}
              disabled={busy}
              onClick={() => void run()}
            >
              {error === null ? props.text : 'Try again'}
            </button>
          </footer>
        </Dialog>
      ) : null}
    </>
  );
}
