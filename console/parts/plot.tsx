import { clock } from '../show.ts';

/** Plots as plain SVG: a few hundred shapes need no library, follow the theme by style, and are read by anyone. */

export interface Step {
  readonly fromMs: number;
  /** From the bottom up, in the order of `layers`. */
  readonly values: readonly number[];
}

export interface Layer {
  readonly name: string;
  readonly look: 'ok' | 'bad' | 'cold' | 'mark';
}

const [WIDTH, HEIGHT, FOOT, TOP] = [600, 150, 18, 8];

/** Stacked bars over time. */
export function Bars(props: {
  label: string;
  steps: readonly Step[];
  layers: readonly Layer[];
  show(value: number): string;
  /** How a step's time is written. */
  when?: (ms: number) => string;
}) {
  const { steps, layers, when = clock } = props;
  const sums = steps.map((step) => step.values.reduce((sum, value) => sum + value, 0));
  const most = Math.max(...sums, 0);
  const scale = most === 0 ? 0 : (HEIGHT - FOOT - TOP) / most;
  const slot = WIDTH / Math.max(1, steps.length);
  return (
    <svg
      className="plot"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={`${props.label}; at most ${props.show(most)}`}
    >
      <line className="axis" x1="0" x2={WIDTH} y1={HEIGHT - FOOT} y2={HEIGHT - FOOT} />
      {steps.map((step, at) => {
        let y = HEIGHT - FOOT;
        return (
          <g key={step.fromMs} className="slot">
            <title>{`${when(step.fromMs)}  ${layers.map(({ name }, layer) => `${name}: ${props.show(step.values[layer] ?? 0)}`).join(', ')}`}</title>
            <rect className="hover" x={at * slot} y="0" width={slot} height={HEIGHT - FOOT} />
            {layers.map(({ look, name }, layer) => {
              const height = (step.values[layer] ?? 0) * scale;
              y -= height;
              return (
                <rect
                  key={name}
                  className={`fill-${look}`}
                  x={at * slot + 0.6}
                  y={y}
                  width={Math.max(1, slot - 1.2)}
                  height={height}
                />
              );
            })}
          </g>
        );
      })}
    </svg>
  );
}

/** Below a plot: when it begins and ends, and how high it goes. */
export function PlotFoot(props: { steps: readonly Step[]; most: string; when?: (ms: number) => string }) {
  const { steps, most, when = clock } = props;
  return (
    <div className="row soft" style={{ justifyContent: 'space-between', fontSize: 12 }}>
      <span>{steps[0] === undefined ? '' : when(steps[0].fromMs)}</span>
      <span>highest {most}</span>
      <span>now</span>
    </div>
  );
}

export interface Dot {
  readonly id: string;
  readonly atMs: number;
  readonly value: number;
  readonly look: 'ok' | 'bad' | 'cold';
  readonly title: string;
}

/** Each call as a dot: when, and how long; the height is logarithmic. */
export function Dots({ label, dots }: { label: string; dots: readonly Dot[] }) {
  const times = dots.map((dot) => dot.atMs);
  const [from, to] = [Math.min(...times), Math.max(...times)];
  const highest = Math.log10(Math.max(...dots.map((dot) => dot.value), 10));
  const lowest = Math.log10(Math.max(1, Math.min(...dots.map((dot) => dot.value))));
  const x = (atMs: number): number =>
    to === from ? WIDTH / 2 : 6 + ((atMs - from) / (to - from)) * (WIDTH - 12);
  const y = (value: number): number =>
    HEIGHT -
    FOOT -
    4 -
    ((Math.log10(Math.max(1, value)) - lowest) / Math.max(0.3, highest - lowest)) * (HEIGHT - FOOT - TOP - 6);
  return (
    <svg className="plot" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
      <line className="axis" x1="0" x2={WIDTH} y1={HEIGHT - FOOT} y2={HEIGHT - FOOT} />
      {dots.map((dot) => (
        <circle
          key={dot.id}
          className={`fill-${dot.look}`}
          cx={x(dot.atMs)}
          cy={y(dot.value)}
          r="2.6"
          fillOpacity="0.75"
        >
          <title>{dot.title}</title>
        </circle>
      ))}
    </svg>
  );
}

export function Spark({
  values,
  bad,
  label,
}: {
  values: readonly number[];
  bad: readonly number[];
  label: string;
}) {
  const most = Math.max(...values, 1);
  const slot = 96 / Math.max(1, values.length);
  return (
    <svg className="spark" viewBox="0 0 96 24" preserveAspectRatio="none" role="img" aria-label={label}>
      {values.map((value, at) => {
        const height = (value / most) * 22;
        const failed = value === 0 ? 0 : (height * (bad[at] ?? 0)) / value;
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: the place in time is what a bar is
          <g key={at}>
            <rect
              className="fill-ok"
              x={at * slot}
              y={23 - height}
              width={Math.max(0.8, slot - 0.6)}
              height={Math.max(height, 0.6)}
            />
            <rect
              className="fill-bad"
              x={at * slot}
              y={23 - failed}
              width={Math.max(0.8, slot - 0.6)}
              height={failed}
            />
          </g>
        );
      })}
    </svg>
  );
}
