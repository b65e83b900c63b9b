import type { ReactNode } from 'react';
import type { DeliveryAttempt } from '../answers.ts';
import { Link, pathOf } from '../route.tsx';
import { dateAndClock, elapsed, exact, span } from '../show.ts';
import { Badge } from './badge.tsx';
import { Scroll } from './scroll.tsx';

/** Attempts to deliver: of which event or by which trigger, when, how long, what went wrong, and what comes then. */
export function AttemptTable<Attempt extends DeliveryAttempt>(props: {
  first: string;
  items: readonly Attempt[];
  nameOf(attempt: Attempt): ReactNode;
}) {
  return (
    <Scroll>
      <table className="cards">
        <thead>
          <tr>
            <th>{props.first}</th>
            <th className="num">Attempt</th>
            <th>Outcome</th>
            <th>When</th>
            <th className="num">Took</th>
            <th>Then</th>
            <th>
              <span className="sr">Invocation</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {props.items.map((each) => (
            <tr key={`${each.delivery} ${each.attempt}`}>
              <td className="nowrap title">
                <strong>{props.nameOf(each)}</strong>
              </td>
              <td className="num" data-label="Attempt">
                {each.attempt}
              </td>
              <td className="wrap line">
                {each.error === undefined ? (
                  <Badge status="delivered" />
                ) : (
                  <>
                    <Badge status="failed" /> {each.error.errorMessage}
                  </>
                )}
              </td>
              <td className="nowrap soft right" title={exact(each.startedMs)}>
                {dateAndClock(each.startedMs)}
              </td>
              <td className="num" data-label="Took">
                {elapsed(each.tookMs)}
              </td>
              <td className="nowrap soft">{nextOf(each)}</td>
              <td className="num">
                {each.invocation === undefined ? null : (
                  <Link className="link" to={pathOf('invocations', each.invocation)}>
                    invocation
                  </Link>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function nextOf({ nextMs, startedMs, error }: DeliveryAttempt): string {
  if (nextMs === undefined) return error === undefined ? '' : 'dead letter';
  const until = nextMs - Date.now();
  return until > 0 ? `again in ${span(until)}` : `again after ${elapsed(nextMs - startedMs)}`;
}
