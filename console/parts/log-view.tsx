import { useEffect, useRef, useState } from 'react';
import type { LogLine } from '../answers.ts';
import { queryOf } from '../api.ts';
import { noteAnswer, noteSilence } from '../connection.ts';
import { useLive } from '../query-client.ts';
import { clock, exact } from '../show.ts';
import { Empty, Panel, Problem } from './panel.tsx';

/** Lines kept on the screen; older ones leave it. */
const LINES_MAX = 1_000;

export interface LogFilter {
  readonly app?: string;
  readonly function?: string;
  readonly invocation?: string;
}

const isBad = (severity: string): boolean => severity === 'error' || severity === 'fatal';

/** The lines that a function wrote, with what comes in as it comes; after a lost connection it goes on where it was. */
export function LogView({ filter, live }: { filter: LogFilter; live: boolean }) {
  const [text, setText] = useState('');
  const [severity, setSeverity] = useState('');
  const query = { ...filter, text, severity };
  const first = useLive<'listLogs'>(`/logs${queryOf({ ...query, limit: 300 })}`, { once: true });
  const more = useFollowed(
    live && first.data !== undefined ? queryOf({ ...query, after: first.data.last }) : undefined,
  );
  const lines = [...(first.data?.items ?? []), ...more].slice(-LINES_MAX);
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const box = end.current;
    // Whoever scrolled up to read is left alone.
    if (box !== null && box.scrollHeight - box.scrollTop - box.clientHeight < 160)
      box.scrollTop = box.scrollHeight;
  });
  return (
    <Panel
      title="Logs"
      more={
        <div className="filters grow">
          <input
            type="search"
            className="field"
            aria-label="Search in logs"
            placeholder="Search in logs"
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
          <select
            className="field"
            aria-label="Severity"
            value={severity}
            onChange={(event) => setSeverity(event.target.value)}
          >
            <option value="">all severities</option>
            <option value="info">info and above</option>
            <option value="warn">warn and above</option>
            <option value="error">error and above</option>
          </select>
          {live ? <span className="badge dot good pulse">following</span> : null}
        </div>
      }
    >
      <Problem error={first.error} />
      {lines.length === 0 ? (
        <Empty title="No lines">What functions print appears here as they print it.</Empty>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard
        <div className="logs" ref={end} tabIndex={0} role="log" aria-label="Log lines">
          {lines.map((line, at) => (
            <div className="line" key={line.sequence || `new-${at}`}>
              <span className="soft" title={exact(line.timeMs)}>
                {clock(line.timeMs)}
              </span>
              <span className={isBad(line.severity) ? 'bad' : line.severity === 'warn' ? 'warn' : 'soft'}>
                {line.severity}
              </span>
              <span>{line.text}</span>
            </div>
          ))}
        </div>
      )}
    </Panel>
  );
}

/** Lines of the API's stream. The browser connects again by itself and says which line it had last. */
function useFollowed(query: string | undefined): readonly LogLine[] {
  const [lines, setLines] = useState<readonly LogLine[]>([]);
  useEffect(() => {
    setLines([]);
    if (query === undefined) return undefined;
    const stream = new EventSource(`/_lambent/api/v1/logs/stream${query}`);
    let waiting: LogLine[] = [];
    let frame = 0;
    stream.onmessage = ({ data }: MessageEvent<string>) => {
      waiting.push(JSON.parse(data) as LogLine);
      if (frame === 0) {
        frame = requestAnimationFrame(() => {
          const batch = waiting;
          [waiting, frame] = [[], 0];
          setLines((before) => [...before, ...batch].slice(-LINES_MAX));
        });
      }
    };
    stream.onopen = noteAnswer;
    stream.onerror = noteSilence;
    return () => {
      cancelAnimationFrame(frame);
      stream.close();
    };
  }, [query]);
  return lines;
}
