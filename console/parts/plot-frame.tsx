import { type KeyboardEvent, type PointerEvent, type ReactNode, useState } from 'react';

/*
 * What is around a drawing over time: its scale, its times, and a cursor that reads it out. The cursor follows the mouse
 * or a finger and goes by the arrow keys; who listens hears the step's time and values, as of any slider.
 */

/** The drawing's own units. */
export const [WIDTH, HEIGHT] = [320, 124];
/** Steps that Page Up and Page Down go. */
const LEAP = 10;

/** A line across the plot, with what it stands for written beside it. `at`: 0 is the foot, 1 the top. */
interface Mark {
  readonly at: number;
  readonly text: string;
}

/** What a step has of one layer, with the look of the layer. */
export interface ReadOut {
  readonly name: string;
  readonly look: string;
  readonly text: string;
}

export function PlotFrame(props: {
  label: string;
  marks: readonly Mark[];
  /** When each step begins, in milliseconds, and how that is written. */
  times: readonly number[];
  when(ms: number): string;
  /** What is told of a step. */
  read(at: number): readonly ReadOut[];
  children: ReactNode;
}) {
  const { times, when } = props;
  const middle = times.length > 4 ? times[Math.floor(times.length / 2)] : undefined;
  return (
    <figure className="plot-frame">
      <div className="plot-scale" aria-hidden="true">
        <i>{props.marks.reduce((widest, { text }) => (text.length > widest.length ? text : widest), '')}</i>
        {props.marks.map(({ at, text }) => (
          <span key={at} style={{ bottom: `${at * 100}%` }}>
            {text}
          </span>
        ))}
      </div>
      <svg
        className="plot"
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={props.label}
      >
        {props.marks.map(({ at }) => (
          <line key={at} className="axis" x1="0" x2={WIDTH} y1={HEIGHT * (1 - at)} y2={HEIGHT * (1 - at)} />
        ))}
        {props.children}
      </svg>
      {times.length === 0 ? null : (
        <Cursor label={props.label.split(';')[0]!} times={times} when={when} read={props.read} />
      )}
      <div className="plot-times" aria-hidden="true">
        <span>{times[0] === undefined ? '' : when(times[0])}</span>
        {middle === undefined ? null : <span>{when(middle)}</span>}
        <span>now</span>
      </div>
    </figure>
  );
}

function Cursor(props: {
  label: string;
  times: readonly number[];
  when(ms: number): string;
  read(at: number): readonly ReadOut[];
}) {
  const { label, times, when, read } = props;
  /** The step that is read, by its time: as minutes pass it moves to the left with its bar. */
  const [chosenMs, setChosenMs] = useState<number | undefined>();
  const found = chosenMs === undefined ? -1 : times.indexOf(chosenMs);
  const at = found < 0 ? undefined : found;
  const last = times.length - 1;
  const choose = (to: number): void => setChosenMs(times[Math.max(0, Math.min(last, to))]);
  const clear = (): void => setChosenMs(undefined);
  const values = at === undefined ? [] : read(at);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') clear();
    const to = stepByKey(event.key, at ?? last + 1, last);
    if (to === undefined) return;
    event.preventDefault();
    choose(to);
  };
  const onPointer = ({ currentTarget, clientX }: PointerEvent): void => {
    const { left, width } = currentTarget.getBoundingClientRect();
    choose(Math.floor(((clientX - left) / width) * times.length));
  };
  const share = at === undefined ? 0 : (at + 0.5) / times.length;
  return (
    <div
      className="plot-cursor"
      role="slider"
      tabIndex={0}
      aria-label={`${label}: read it by the arrow keys`}
      aria-valuemin={0}
      aria-valuemax={last}
      aria-valuenow={at ?? last}
      aria-valuetext={
        at === undefined
          ? 'nothing is read'
          : `${when(times[at]!)}: ${values.map(({ name, text }) => `${name} ${text}`).join(', ')}`
      }
      onKeyDown={onKeyDown}
      onPointerDown={onPointer}
      onPointerMove={onPointer}
      onPointerLeave={({ pointerType }) => pointerType === 'mouse' && clear()}
      onBlur={clear}
    >
      {at === undefined ? null : (
        <>
          <i className="plot-line" style={{ left: `${share * 100}%` }} />
          <div
            className="plot-read"
            // Within the plot at both of its ends.
            style={{ left: `${share * 100}%`, transform: `translateX(-${share * 100}%)` }}
          >
            <strong>{when(times[at]!)}</strong>
            {values.map(({ name, look, text }) => (
              <span key={name}>
                <i className={`bg-${look}`} />
                {name} <b>{text}</b>
              </span>
            ))}
          </div>
        </>
      )}
    </div>
  );
}

/** Where a key leads, from a step or from after the last one. */
function stepByKey(key: string, from: number, last: number): number | undefined {
  switch (key) {
    case 'ArrowLeft':
    case 'ArrowDown':
      return from - 1;
    case 'ArrowRight':
    case 'ArrowUp':
      return from + 1;
    case 'PageDown':
      return from - LEAP;
    case 'PageUp':
      return from + LEAP;
    case 'Home':
      return 0;
    case 'End':
      return last;
    default:
      return undefined;
  }
}
