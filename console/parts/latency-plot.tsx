import type { LatencyHour } from '../answers.ts';
import { duration } from '../show.ts';
import { Lines } from './plot.tsx';

/** How they are called and coloured wherever they are drawn. */
export const PERCENTILES = [
  { name: 'p50', key: 'p50Us', tone: 'run' },
  { name: 'p95', key: 'p95Us', tone: 'warn' },
  { name: 'p99', key: 'p99Us', tone: 'bad' },
] as const;

/** Percentiles of how long calls took, each minute's of all its calls. `minutes`: how many of the last ones. */
export function LatencyPlot({ latency, minutes }: { latency: LatencyHour | undefined; minutes: number }) {
  const shown = latency?.minutes.slice(-minutes) ?? [];
  return (
    <Lines
      label="Latency percentiles a minute"
      steps={shown.map((minute) => ({
        fromMs: minute.fromMs,
        values: PERCENTILES.map(({ key }) => (minute.calls === 0 ? undefined : minute[key])),
      }))}
      layers={PERCENTILES}
      show={duration}
    />
  );
}
