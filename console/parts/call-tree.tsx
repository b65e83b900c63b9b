import type { InvocationRecord, TraceCall, TraceCalls } from '../answers.ts';
import { Link, pathOf } from '../route.tsx';
import { duration } from '../show.ts';
import { toneOf } from './badge.tsx';
import { callOf, totalUs } from './invocation-rows.tsx';
import { Panel } from './panel.tsx';

/** Calls that are deeper stand no further to the right. */
const DEPTH_MAX = 6;
const INDENT_PX = 16;
const UNITS = 1_000;
const LEAST = 3;
const TICKS = [0, 0.25, 0.5, 0.75, 1];

interface Lane {
  readonly call: InvocationRecord;
  readonly depth: number;
}

/**
 * One call with all that led to it and all that it led to, as bars over time: what waited in a queue, what started a
 * process, what ran. Each leads to its own page.
 */
export function CallTree({ call, trace }: { call: InvocationRecord; trace: TraceCalls | undefined }) {
  const lanes = lanesOf(trace?.items ?? [{ call }]);
  const fromMs = Math.min(...lanes.map((lane) => lane.call.arrivedMs));
  const toMs = Math.max(...lanes.map((lane) => endMs(lane.call)));
  const wholeMs = Math.max(0.001, toMs - fromMs);
  const others = lanes.length - 1;
  return (
    <Panel
      title="Where the time went"
      more={
        <>
          <span className="soft grow">
            {duration(totalUs(call))}
            {others === 0 ? '' : `, within ${duration(wholeMs * 1_000)} of ${lanes.length} calls`}
            {trace?.more === true ? '; there are more' : ''}
          </span>
          <span className="legend">
            {[
              ['bg-queue', 'queue'],
              ['bg-cold', 'cold start'],
              ['bg-run', 'run'],
              ['bg-bad', 'failed'],
            ].map(([look, text]) => (
              <span key={text}>
                <i className={look} />
                {text}
              </span>
            ))}
          </span>
        </>
      }
    >
      <div className="calls">
        <div className="call-lane head" aria-hidden="true">
          <span>Call</span>
          <span className="ticks">
            {TICKS.map((share) => (
              <span key={share}>{share === 0 ? '0' : duration(wholeMs * share * 1_000)}</span>
            ))}
          </span>
          <span className="num">Took</span>
        </div>
        {lanes.map((lane) => (
          <CallLane
            key={`${lane.call.id} ${lane.call.attempt}`}
            lane={lane}
            isChosen={lane.call.id === call.id}
            fromMs={fromMs}
            wholeMs={wholeMs}
          />
        ))}
      </div>
      {others === 0 ? (
        <dl className="phases">
          <Phase name="Queue" us={call.queueUs} text="waited for a place" />
          <Phase
            name={call.cold ? 'Cold start' : 'Start'}
            us={call.startUs}
            text="of a process, with its code"
          />
          <Phase name="Run" us={call.runUs} text={`billed ${call.billedMs} ms`} />
        </dl>
      ) : null}
    </Panel>
  );
}

function Phase({ name, us, text }: { name: string; us: number; text: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {duration(us)} <small>{text}</small>
      </dd>
    </div>
  );
}

const endMs = (call: InvocationRecord): number => call.arrivedMs + totalUs(call) / 1_000;

/** Each call below the one that it was called from, in the order in which they arrived. */
function lanesOf(items: readonly TraceCall[]): Lane[] {
  const known = new Set(items.map(({ call }) => call.id));
  const below = Map.groupBy(items, ({ parent }) =>
    parent !== undefined && known.has(parent) ? parent : undefined,
  );
  const lanes: Lane[] = [];
  const add = (parent: string | undefined, depth: number): void => {
    for (const { call } of below.get(parent) ?? []) {
      lanes.push({ call, depth });
      if (depth < items.length) add(call.id, depth + 1);
    }
  };
  add(undefined, 0);
  return lanes;
}

function CallLane(props: { lane: Lane; isChosen: boolean; fromMs: number; wholeMs: number }) {
  const { lane, isChosen, fromMs, wholeMs } = props;
  const { call, depth } = lane;
  const at = (ms: number): number => Math.max(0, Math.min(UNITS, (ms / wholeMs) * UNITS));
  const begin = call.arrivedMs - fromMs;
  const phases = [
    { look: 'fill-queue', us: call.queueUs },
    { look: 'fill-cold', us: call.startUs },
    { look: call.status === 'ok' ? 'fill-run' : 'fill-bad', us: call.runUs },
  ];
  let passedMs = begin;
  const title = `${call.app} ${call.function}: ${call.status}, queue ${duration(call.queueUs)}, start ${duration(call.startUs)}, run ${duration(call.runUs)}`;
  return (
    <Link
      to={pathOf('invocations', call.id)}
      className="call-lane"
      aria-current={isChosen ? 'true' : undefined}
    >
      <span className="call-name" style={{ paddingLeft: Math.min(depth, DEPTH_MAX) * INDENT_PX }}>
        <i className={`state ${toneOf(call.status)}`} />
        <span>
          <strong>{call.function}</strong>{' '}
          <span className="soft">{call.trigger === 'invoke' ? '' : callOf(call)}</span>
          <span className="sr"> {call.status}</span>
        </span>
      </span>
      <svg
        className="call-bar"
        viewBox={`0 0 ${UNITS} 16`}
        preserveAspectRatio="none"
        role="img"
        aria-label={title}
      >
        <title>{title}</title>
        {phases.map(({ look, us }) => {
          const from = at(passedMs);
          passedMs += us / 1_000;
          const width = us === 0 ? 0 : Math.max(LEAST, at(passedMs) - from);
          return (
            <rect
              key={look}
              className={look}
              x={Math.min(from, UNITS - width)}
              y="2"
              width={width}
              height="12"
            />
          );
        })}
      </svg>
      <span className="num">{duration(totalUs(call))}</span>
    </Link>
  );
}
