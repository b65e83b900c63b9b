import { useState } from 'react';
import { ApiError } from '../api.ts';
import { EVENT_TEMPLATES } from '../event-templates.ts';
import { refreshAll } from '../query-client.ts';
import { pretty } from '../show.ts';
import { Dialog } from './ask.tsx';
import { JsonEditor, jsonProblem } from './json.tsx';
import { Problem } from './panel.tsx';
import { toast } from './toast.tsx';

const EVENTS_PATH = '/_lambent/events';

/** Puts an event onto the bus by hand. */
export function PublishEvent() {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" className="btn main" onClick={() => setOpen(true)}>
        Publish an event
      </button>
      {open ? <PublishDialog onClose={() => setOpen(false)} /> : null}
    </>
  );
}

function PublishDialog({ onClose }: { onClose(): void }) {
  // Each opening gives the template an id of its own: the bus takes an id of a source once.
  const [text, setText] = useState(() =>
    pretty({
      ...(EVENT_TEMPLATES['CloudEvent of an app'] as object),
      id: `console-${Date.now()}`,
      time: new Date().toISOString(),
    }),
  );
  const [error, setError] = useState<Error | null>(null);
  const publish = async (): Promise<void> => {
    try {
      const response = await fetch(EVENTS_PATH, {
        method: 'POST',
        headers: { 'content-type': 'application/cloudevents+json' },
        body: text,
      });
      const answer = (await response.json()) as {
        error?: { code: string; message: string; hint: string };
        events?: { stored: boolean }[];
      };
      if (answer.error !== undefined)
        throw new ApiError(response.status, answer.error.code, answer.error.message, answer.error.hint);
      toast(
        answer.events?.[0]?.stored === false
          ? 'An event with this id was there already.'
          : 'The event is stored.',
      );
      onClose();
      await refreshAll();
    } catch (thrown) {
      setError(thrown as Error);
    }
  };
  return (
    <Dialog label="Publish an event" onClose={onClose}>
      <div className="pad">
        <h2>Publish an event</h2>
        <JsonEditor label="CloudEvent (JSON)" value={text} onChange={setText} rows={14} />
        <Problem error={error} />
      </div>
      <footer>
        <button type="button" className="btn" onClick={onClose}>
          Close
        </button>
        <button
          type="button"
          className="btn main"
          disabled={jsonProblem(text) !== undefined}
          onClick={() => void publish()}
        >
          Publish
        </button>
      </footer>
    </Dialog>
  );
}
