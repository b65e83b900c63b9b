import { useState } from 'react';
import type { ScheduleSource } from '../../src/model/trigger.ts';
import { useLive } from '../query-client.ts';
import { pathOf } from '../route.tsx';
import { exact, span } from '../show.ts';
import { Problem } from './panel.tsx';

const SHOWN = 8;
const MISSED = {
  skip: 'left out',
  last: 'the last of them is made up for',
  all: 'all of them are made up for, up to 1,000',
} as const;
const OVERLAP = {
  allow: 'runs beside it',
  wait: 'waits for it',
  skip: 'is left out',
} as const;

/** A schedule's next runs as clocks in its time zone show them, and what it does with missed and overlapping ones. */
export function ScheduleRuns({ id, source }: { id: string; source: ScheduleSource }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details className="under" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>next runs and policy</summary>
      {isOpen ? <Runs id={id} source={source} /> : null}
    </details>
  );
}

/** … as they are in a view of their own. */
export function Runs({ id, source }: { id: string; source: ScheduleSource }) {
  const [app = '', name = ''] = id.split('/');
  const found = useLive<'listRuns'>(`/apps${pathOf(app, 'triggers', name, 'runs')}?limit=${SHOWN}`, {
    everyMs: 30_000,
  });
  const { timeZone, when, missed, overlap, jitterMs } = source;
  const items = found.data?.items ?? [];
  return (
    <>
      <Problem error={found.error} />
      {found.data !== undefined && items.length === 0 ? <p>It is due no more.</p> : null}
      <ol className="runs">
        {items.map(({ dueMs }, at) => (
          <li key={dueMs} title={exact(dueMs)}>
            <span>{textOf(dueMs, timeZone)}</span> <span className="soft">in {span(dueMs - Date.now())}</span>
            {at > 0 && offsetOf(dueMs, timeZone) !== offsetOf(items[at - 1]!.dueMs, timeZone) ? (
              <span className="warn"> clocks have changed before it</span>
            ) : null}
          </li>
        ))}
      </ol>
      <div>
        {jitterMs > 0 ? `Each is put off by up to ${span(jitterMs)}. ` : ''}
        Runs that were missed while the platform was down: {MISSED[missed]}. One that is due while the one
        before still runs {OVERLAP[overlap]}.{' '}
        {when.kind === 'rate'
          ? 'It counts elapsed time: clocks that change do not move it.'
          : timeZone === 'UTC'
            ? 'Clocks of UTC never change.'
            : `Where clocks of ${timeZone} go forward, a time that they skip runs at the first moment after; where they go back, one that comes twice runs once.`}
      </div>
    </>
  );
}

function textOf(ms: number, timeZone: string): string {
  return new Intl.DateTimeFormat(undefined, {
    ...{ timeZone, weekday: 'short', month: 'short', day: 'numeric', hourCycle: 'h23' },
    ...{ hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'shortOffset' },
  }).format(ms);
}

const offsetOf = (ms: number, timeZone: string): string | undefined =>
  new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' })
    .formatToParts(ms)
    .find(({ type }) => type === 'timeZoneName')?.value;
