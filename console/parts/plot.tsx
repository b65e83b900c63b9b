import { clock } from '../show.ts';
import { HEIGHT, PlotFrame, WIDTH } from './plot-frame.tsx';

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

/** The least round number that is not below it: 1, 2 or 5 times a power of ten. */
function roundUp(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= value * 0.999_999)!;
}

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
  const top = roundUp(most);
  const scale = HEIGHT / top;
  const slot = WIDTH / Math.max(1, steps.length);
  return (
    <PlotFrame
      label={`${props.label}; at most ${props.show(most)}`}
      marks={[0, 0.5, 1].map((at) => ({ at, text: most === 0 && at > 0 ? '' : props.show(top * at) }))}
      times={steps.map(({ fromMs }) => fromMs)}
      when={when}
      read={(at) =>
        layers.map(({ name, look }, layer) => ({
          ...{ name, look, text: props.show(steps[at]?.values[layer] ?? 0) },
        }))
      }
    >
      {steps.map((step, at) => {
        let y = HEIGHT;
        return (
          <g key={step.fromMs}>
            {layers.map(({ look, name }, layer) => {
              const height = (step.values[layer] ?? 0) * scale;
              y -= height;
              return (
                <rect
                  key={name}
                  className={`fill-${look}`}
                  x={at * slot + slot * 0.12}
                  y={y}
                  width={Math.max(1, slot * 0.76)}
                  height={height}
                />
              );
            })}
          </g>
        );
      })}
    </PlotFrame>
  );
}

/** Lines over time, their height logarithmic; a step without a value leaves a gap. */
export function Lines(props: {
  label: string;
  steps: readonly { readonly fromMs: number; readonly values: readonly (number | undefined)[] }[];
  layers: readonly { readonly name: string; readonly tone: 'run' | 'warn' | 'bad' }[];
  show(value: number): string;
}) {
  const { steps, layers, show } = props;
  const values = steps.flatMap((step) => step.values.flatMap((value) => value ?? []));
  const lowest = Math.floor(Math.log10(Math.max(1, Math.min(...values, 1e9))));
  const highest = Math.max(lowest + 1, Math.ceil(Math.log10(Math.max(...values, 1))));
  const share = (value: number): number => (Math.log10(Math.max(1, value)) - lowest) / (highest - lowest);
  const decades =
    values.length === 0 ? [] : Array.from({ length: highest - lowest + 1 }, (_, at) => lowest + at);
  const slot = WIDTH / Math.max(1, steps.length);
  const last = steps.findLast(({ values: [first] }) => first !== undefined)?.values ?? [];
  return (
    <PlotFrame
      label={`${props.label}${last.length === 0 ? ': no call' : `; lately ${layers.map(({ name }, at) => `${name} ${show(last[at] ?? 0)}`).join(', ')}`}`}
      marks={decades.map((power) => ({ at: share(10 ** power), text: show(10 ** power) }))}
      times={steps.map(({ fromMs }) => fromMs)}
      when={clock}
      read={(at) =>
        layers.map(({ name, tone }, layer) => {
          const value = steps[at]?.values[layer];
          return { name, look: tone, text: value === undefined ? '–' : show(value) };
        })
      }
    >
      {layers.map(({ name, tone }, layer) => (
        <path
          key={name}
          className={`percentile ${tone}`}
          d={pathThrough(
            steps.map(({ values: all }) => all[layer]),
            slot,
            (value) => HEIGHT * (1 - share(value)),
          )}
        />
      ))}
    </PlotFrame>
  );
}

/** A stretch of values is a line; one that stands alone is a dash as wide as its step. */
function pathThrough(
  values: readonly (number | undefined)[],
  slot: number,
  heightOf: (value: number) => number,
): string {
  return values
    .map((value, at) => {
      if (value === undefined) return '';
      const [x, y] = [(at + 0.5) * slot, heightOf(value)];
      if (values[at - 1] !== undefined) return `L${x} ${y}`;
      return values[at + 1] === undefined ? `M${x - slot / 3} ${y}H${x + slot / 3}` : `M${x} ${y}`;
    })
    .join('');
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
