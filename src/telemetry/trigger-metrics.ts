import { formatLabels, type MetricKind, MetricText } from './metric-text.ts';

/** Triggers that have series of their own. */
export const METRIC_TRIGGERS_MAX = 1_000;

/** What is told of a trigger. */
export interface TriggerFigures {
  readonly id: string;
  readonly owed: number;
  readonly running: number;
  readonly delivered: number;
  readonly failed: number;
  readonly dead: number;
  readonly oldestMs: number | undefined;
}

type Figure = readonly [
  name: string,
  kind: MetricKind,
  help: string,
  of: (trigger: TriggerFigures, nowMs: number) => number,
];

const FIGURES: readonly Figure[] = [
  ['delivered_total', 'counter', 'Deliveries that were made.', ({ delivered }) => delivered],
  ['failed_attempts_total', 'counter', 'Attempts that failed, since the start.', ({ failed }) => failed],
  ['dead_letters', 'gauge', 'Dead letters that are kept.', ({ dead }) => dead],
  ['owed', 'gauge', 'Deliveries that wait or are under way.', ({ owed }) => owed],
  ['running', 'gauge', 'Calls under way.', ({ running }) => running],
  [
    'oldest_seconds',
    'gauge',
    'Since when the oldest delivery is owed; 0: none is.',
    ({ oldestMs }, nowMs) => (oldestMs === undefined ? 0 : Math.max(0, nowMs - oldestMs) / 1_000),
  ],
];

/** Triggers in Prometheus' text format: the first METRIC_TRIGGERS_MAX of them. */
export function renderTriggerMetrics(triggers: readonly TriggerFigures[], nowMs: number): string {
  const text = new MetricText();
  const told = triggers.slice(0, METRIC_TRIGGERS_MAX);
  for (const [name, kind, help, of] of FIGURES) {
    text.family(`lambent_trigger_${name}`, kind, help);
    for (const each of told)
      text.sample(`lambent_trigger_${name}`, formatLabels({ trigger: each.id }), of(each, nowMs));
  }
  return text.toString();
}
