import type { InvocationRecord } from '../answers.ts';
import { pathOf } from '../route.tsx';
import { clock, dateAndClock, duration, exact } from '../show.ts';
import { Badge } from './badge.tsx';
import { VirtualList } from './virtual-list.tsx';

const DAY_MS = 86_400_000;

export const totalUs = ({ queueUs, startUs, runUs }: InvocationRecord): number => queueUs + startUs + runUs;

/** What was called, in words. */
export const callOf = ({ summary, trigger, attempt }: InvocationRecord): string =>
  `${summary === '' ? trigger : summary}${attempt > 1 ? `, attempt ${attempt}` : ''}`;

const errorOf = ({ error }: InvocationRecord): string =>
  error === undefined ? '' : `${error.errorType}: ${error.errorMessage}`;

export function InvocationRows(props: { items: readonly InvocationRecord[]; onEnd?: () => void }) {
  return (
    <VirtualList
      label="Invocations"
      columns="cols-invocations"
      heads={['Time', 'Outcome', 'Function', 'Call', 'Total', 'Start']}
      items={props.items}
      onEnd={props.onEnd}
      row={(each) => ({
        key: each.id,
        to: pathOf('invocations', each.id),
        cells: [
          <span key="time" className="soft" title={exact(each.arrivedMs)}>
            {Date.now() - each.arrivedMs < DAY_MS ? clock(each.arrivedMs) : dateAndClock(each.arrivedMs)}
          </span>,
          <Badge
            key="status"
            status={each.status === 'ok' && each.httpStatus >= 400 ? 'refused' : each.status}
            text={
              each.httpStatus > 0
                ? `${each.httpStatus}${each.status === 'ok' ? '' : ` ${each.status}`}`
                : each.status
            }
          />,
          <span key="function">
            <strong>{each.function}</strong> <span className="soft">{each.app}</span>
          </span>,
          <span key="call" title={[callOf(each), errorOf(each)].filter(Boolean).join('\n')}>
            <span className="mono">{callOf(each)}</span>
            {each.error === undefined ? null : <span className="said bad">{errorOf(each)}</span>}
          </span>,
          duration(totalUs(each)),
          each.cold ? (
            <span key="cold" className="badge info">
              cold {duration(each.startUs)}
            </span>
          ) : (
            <span key="cold" className="soft">
              warm
            </span>
          ),
        ],
      })}
    />
  );
}
