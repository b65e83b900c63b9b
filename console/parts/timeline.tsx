import { useMemo } from 'react';
import type { ExecutionStep } from '../answers.ts';
import { elapsed, span } from '../show.ts';
import { toneOf } from './badge.tsx';
import { VirtualList } from './virtual-list.tsx';

/** Steps that are deeper stand no further to the right. */
const DEPTH_MAX = 8;
const INDENT_PX = 16;
/** Width of the drawing, and the least width of what happened in no time. */
const UNITS = 1_000;
const LEAST = 3;
const TICKS = [0, 0.25, 0.5, 0.75, 1];

/** Every step as a bar over time: its attempts, and in grey the time in between and what was waited for. */
export function Timeline(props: {
  steps: readonly ExecutionStep[];
  fromMs: number;
  toMs: number;
  chosen: number | undefined;
  linkOf(step: number): string;
  onEnd(): void;
}) {
  const { steps, fromMs, toMs, chosen, linkOf } = props;
  const depths = useMemo(() => depthsOf(steps), [steps]);
  const wholeMs = Math.max(1, toMs - fromMs);
  return (
    <VirtualList
      label="Timeline"
      columns="cols-steps"
      dense
      heads={[
        'Step',
        <span className="ticks" key="ticks">
          {TICKS.map((share) => (
            <span key={share}>{share === 0 ? '0' : elapsed(wholeMs * share)}</span>
          ))}
        </span>,
        'Took',
      ]}
      items={steps}
      onEnd={props.onEnd}
      row={(step) => ({
        key: step.step,
        to: linkOf(step.step),
        isChosen: step.step === chosen,
        cells: [
          <span
            key="name"
            className="step-name"
            style={{ paddingLeft: Math.min(depths[step.step] ?? 0, DEPTH_MAX) * INDENT_PX }}
          >
            <i className={`state ${toneOf(step.status)}`} />
            <span>
              {step.name} <span className="soft">{step.kind === 'step' ? '' : step.kind}</span>
              <span className="sr"> {step.status}</span>
            </span>
          </span>,
          <Bar key="bar" step={step} fromMs={fromMs} wholeMs={wholeMs} nowMs={toMs} />,
          <span key="took" className="soft">
            {tookOf(step, toMs)}
          </span>,
        ],
      })}
    />
  );
}

function depthsOf(steps: readonly ExecutionStep[]): number[] {
  const depths: number[] = [];
  for (const { step, parent } of steps) depths[step] = parent === undefined ? 0 : (depths[parent] ?? 0) + 1;
  return depths;
}

function tookOf({ fromMs, toMs, status }: ExecutionStep, nowMs: number): string {
  if (toMs !== undefined) return elapsed(toMs - fromMs);
  return `${status === 'waiting' ? 'waits' : 'runs'} ${span(nowMs - fromMs)}`;
}

function Bar({
  step,
  fromMs,
  wholeMs,
  nowMs,
}: {
  step: ExecutionStep;
  fromMs: number;
  wholeMs: number;
  nowMs: number;
}) {
  const at = (ms: number): number => Math.max(0, Math.min(UNITS, ((ms - fromMs) / wholeMs) * UNITS));
  const place = (from: number, to: number) => {
    const width = Math.max(LEAST, at(to) - at(from));
    return { x: Math.min(at(from), UNITS - width), width };
  };
  const endMs = step.toMs ?? nowMs;
  const own = step.attempts.length === 0 ? (step.kind === 'scope' ? 'span' : waitsOf(step)) : 'wait';
  return (
    <svg
      className="timeline"
      viewBox={`0 0 ${UNITS} 16`}
      preserveAspectRatio="none"
      role="img"
      aria-label={titleOf(step, nowMs)}
    >
      <title>{titleOf(step, nowMs)}</title>
      <rect
        className={own}
        y={step.attempts.length === 0 ? 3 : 7}
        height={step.attempts.length === 0 ? 10 : 2}
        {...place(step.fromMs, endMs)}
      />
      {step.attempts.map((attempt) => (
        <rect
          key={attempt.fromMs}
          className={attempt.error === undefined ? toneOf(step.status) : 'bad'}
          y="3"
          height="10"
          {...place(attempt.fromMs, attempt.toMs ?? endMs)}
        />
      ))}
    </svg>
  );
}

const waitsOf = ({ status }: ExecutionStep): string =>
  status === 'succeeded' ? 'wait' : toneOf(status) || 'wait';

function titleOf(step: ExecutionStep, nowMs: number): string {
  const attempts = step.attemptCount > 1 ? `, ${step.attemptCount} attempts` : '';
  return `${step.name}: ${step.status}, ${tookOf(step, nowMs)}${attempts}`;
}
