import type { Clock } from '../base/clock.ts';
import type { Defects } from '../base/defects.ts';
import { INVOCATION_STATUSES, type InvocationRecord, TRIGGER_KINDS } from '../model/invocation.ts';
import type { InstanceView, PoolView } from '../ports/activity.ts';
import type { ActivityFeed } from '../ports/activity-feed.ts';
import { DurationHistogram } from './duration-histogram.ts';
import { formatLabels, METRICS_CONTENT_TYPE, MetricText } from './metric-text.ts';

/** Functions that have series of their own since the start; those beyond share those of `OTHER`. */
export const METRIC_FUNCTIONS_MAX = 1_000;
/** Triggers whose source's lag is told. */
const LAG_TRIGGERS_MAX = 1_000;
/** Label of what is beyond the limit. No app can have this name, because of its first character. */
export const OTHER = '_other';
/** How often the event loop is asked how late it is, and for how many answers the worst is remembered. */
export const LAG_PERIOD_MS = 500;
export const LAG_WINDOW = 30;

const STATUS_AT = indexOf(INVOCATION_STATUSES);
const TRIGGER_AT = indexOf(TRIGGER_KINDS);
const INSTANCE_STATES: readonly InstanceView['state'][] = ['starting', 'ready', 'frozen', 'retiring'];

export interface MetricsOptions {
  feed: ActivityFeed;
  pool: PoolView;
  clock: Clock;
  defects: Defects;
  /** Version of the platform. */
  version: string;
  /** By trigger, what its source's server holds that is not stored here yet, in bytes. */
  sourceLags?: () => readonly { trigger: string; bytes: number }[];
  /** Smaller limit, for tests. */
  functionsMax?: number;
}

export interface Metrics {
  readonly contentType: string;
  /** Everything in Prometheus' text format. */
  render(): string;
  close(): void;
}

/** Counts what passes by in the feed, and reads the rest (instances, memory) when asked. */
export function createMetrics(options: MetricsOptions): Metrics {
  const { feed, pool, clock, defects, version } = options;
  const series = new SeriesTable(options.functionsMax ?? METRIC_FUNCTIONS_MAX);
  const lag = new LagMeter(clock);
  const startedS = clock.nowMs() / 1_000;
  const stopListening = feed.onInvocation((record) => series.count(record));
  return {
    contentType: METRICS_CONTENT_TYPE,
    render() {
      const text = new MetricText();
      writeInvocations(text, series.all());
      writePool(text, pool);
      writeDrops(text, feed);
      writeDefects(text, defects);
      writeLags(text, options.sourceLags?.() ?? []);
      text.single(
        'lambent_event_loop_lag_seconds',
        'gauge',
        `The latest that the event loop was in ${(LAG_PERIOD_MS * LAG_WINDOW) / 1_000} seconds.`,
        lag.worstMs() / 1_000,
      );
      writeProcess(text, startedS);
      text.family('lambent_build_info', 'gauge', 'Always 1; the labels name the versions.');
      text.sample('lambent_build_info', formatLabels({ version, node: process.version }), 1);
      return text.toString();
    },
    close() {
      stopListening();
      lag.stop();
    },
  };
}

/** What is counted for one function. */
interface Series {
  readonly labels: string;
  /** By trigger, then status. */
  readonly counts: Float64Array;
  readonly run: DurationHistogram;
  readonly queue: DurationHistogram;
  readonly start: DurationHistogram;
  coldStarts: number;
  billedMs: number;
  memoryPeakMb: number;
}

/**
 * Series by app and function. Version ids would not do as keys: two functions with equal code share one. The two
 * look-ups reuse the strings' cached hashes, so that a count costs some tens of nanoseconds.
 */
function writeLags(text: MetricText, lags: readonly { trigger: string; bytes: number }[]): void {
  const help = `What a source’s server holds that is not stored yet, of the first ${LAG_TRIGGERS_MAX} triggers.`;
  text.family('lambent_source_lag_bytes', 'gauge', help);
  for (const { trigger, bytes } of lags.slice(0, LAG_TRIGGERS_MAX))
    text.sample('lambent_source_lag_bytes', formatLabels({ trigger }), bytes);
}

class SeriesTable {
  readonly #limit: number;
  readonly #byApp = new Map<string, Map<string, Series>>();
  readonly #all: Series[] = [];
  #other: Series | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  all(): readonly Series[] {
    return this.#other === undefined ? this.#all : [...this.#all, this.#other];
  }

  count(record: InvocationRecord): void {
    const series = this.#byApp.get(record.app)?.get(record.function) ?? this.#admit(record);
    series.counts[TRIGGER_AT[record.trigger] * INVOCATION_STATUSES.length + STATUS_AT[record.status]]! += 1;
    series.queue.observe(record.queueUs);
    // Without an instance nothing ran: such calls would pretend to be very fast ones.
    if (record.instance === undefined) return;
    series.run.observe(record.runUs);
    series.billedMs += record.billedMs;
    if (record.memoryPeakMb > series.memoryPeakMb) series.memoryPeakMb = record.memoryPeakMb;
    if (!record.cold) return;
    series.coldStarts += 1;
    series.start.observe(record.startUs);
  }

  #admit(record: InvocationRecord): Series {
    if (this.#all.length >= this.#limit) {
      this.#other ??= createSeries(OTHER, OTHER);
      return this.#other;
    }
    const series = createSeries(record.app, record.function);
    let functions = this.#byApp.get(record.app);
    if (functions === undefined) {
      functions = new Map();
      this.#byApp.set(record.app, functions);
    }
    functions.set(record.function, series);
    this.#all.push(series);
    return series;
  }
}

function createSeries(app: string, functionName: string): Series {
  return {
    labels: formatLabels({ app, function: functionName }),
    counts: new Float64Array(TRIGGER_KINDS.length * INVOCATION_STATUSES.length),
    run: new DurationHistogram(),
    queue: new DurationHistogram(),
    start: new DurationHistogram(),
    coldStarts: 0,
    billedMs: 0,
    memoryPeakMb: 0,
  };
}

function writeInvocations(text: MetricText, all: readonly Series[]): void {
  text.family('lambent_invocations_total', 'counter', 'Finished invocations.');
  for (const series of all) {
    for (const [triggerAt, trigger] of TRIGGER_KINDS.entries()) {
      for (const [statusAt, status] of INVOCATION_STATUSES.entries()) {
        const count = series.counts[triggerAt * INVOCATION_STATUSES.length + statusAt]!;
        if (count === 0) continue;
        text.sample(
          'lambent_invocations_total',
          `${series.labels},trigger="${trigger}",status="${status}"`,
          count,
        );
      }
    }
  }
  writeHistograms(text, all, 'run', 'Time from hand-over to an instance until the end of the answer.');
  writeHistograms(text, all, 'queue', 'Time waited for an instance, without its start.');
  writeHistograms(text, all, 'start', 'Time waited for a new process and the loading of the code.');
  text.family('lambent_cold_starts_total', 'counter', 'Invocations that waited for a new process.');
  for (const series of all) text.sample('lambent_cold_starts_total', series.labels, series.coldStarts);
  text.family('lambent_billed_seconds_total', 'counter', 'Run time, each call rounded up to a millisecond.');
  for (const series of all)
    text.sample('lambent_billed_seconds_total', series.labels, series.billedMs / 1_000);
  text.family(
    'lambent_function_memory_peak_bytes',
    'gauge',
    'Highest resident memory of an instance so far.',
  );
  for (const series of all) {
    if (series.memoryPeakMb === 0) continue;
    text.sample('lambent_function_memory_peak_bytes', series.labels, series.memoryPeakMb * 2 ** 20);
  }
}

function writeHistograms(
  text: MetricText,
  all: readonly Series[],
  part: 'run' | 'queue' | 'start',
  help: string,
): void {
  const name = `lambent_invocation_${part}_seconds`;
  text.family(name, 'histogram', help);
  for (const series of all) {
    if (series[part].count > 0) series[part].write(text, name, series.labels);
  }
}

function writePool(text: MetricText, pool: PoolView): void {
  const byState = new Map<string, number>(INSTANCE_STATES.map((state) => [state, 0]));
  let active = 0;
  for (const instance of pool.instances()) {
    byState.set(instance.state, (byState.get(instance.state) ?? 0) + 1);
    active += instance.activeInvocations;
  }
  text.family('lambent_instances', 'gauge', 'Processes of functions, by state.');
  for (const [state, count] of byState) text.sample('lambent_instances', `state="${state}"`, count);
  text.single('lambent_invocations_active', 'gauge', 'Invocations that run now.', active);
  text.single('lambent_invocations_waiting', 'gauge', 'Invocations that wait for an instance.', pool.waiting);
  text.single(
    'lambent_processes_prewarmed',
    'gauge',
    'Processes that wait without code for a function that needs one.',
    pool.prewarmed,
  );
}

function writeDrops(text: MetricText, feed: ActivityFeed): void {
  const { invocationsOverflow, linesOverflow, invocationsFailed, linesFailed } = feed.dropped;
  const name = 'lambent_telemetry_dropped_total';
  text.family(name, 'counter', 'Records of history that were given up.');
  text.sample(name, 'kind="invocation",reason="overflow"', invocationsOverflow);
  text.sample(name, 'kind="line",reason="overflow"', linesOverflow);
  text.sample(name, 'kind="invocation",reason="store"', invocationsFailed);
  text.sample(name, 'kind="line",reason="store"', linesFailed);
}

function writeDefects(text: MetricText, { count }: Defects): void {
  const help = 'Defects of the platform itself that ended one call or connection; each is in its log.';
  text.single('lambent_defects_total', 'counter', help, count);
}

/** The names that Prometheus' own client libraries use for a process, so that ready-made dashboards fit. */
function writeProcess(text: MetricText, startedS: number): void {
  const memory = process.memoryUsage();
  const cpu = process.cpuUsage();
  text.single('process_resident_memory_bytes', 'gauge', 'Resident memory of the platform.', memory.rss);
  text.single('nodejs_heap_size_used_bytes', 'gauge', 'Heap in use.', memory.heapUsed);
  text.single(
    'nodejs_external_memory_bytes',
    'gauge',
    'Memory of buffers outside the heap.',
    memory.external,
  );
  text.single(
    'process_cpu_seconds_total',
    'counter',
    'Processor time of the platform, user and system.',
    (cpu.user + cpu.system) / 1e6,
  );
  text.single('process_start_time_seconds', 'gauge', 'When the platform started, Unix time.', startedS);
}

/** Measures how late a periodic timer fires: the time in which the event loop answered nobody. */
class LagMeter {
  readonly #latenessMs: number[] = [];
  readonly stop: () => void;

  constructor(clock: Clock) {
    let dueMs = clock.monotonicMs() + LAG_PERIOD_MS;
    const timer = clock.every(LAG_PERIOD_MS, () => {
      const nowMs = clock.monotonicMs();
      this.#latenessMs.push(Math.max(0, nowMs - dueMs));
      if (this.#latenessMs.length > LAG_WINDOW) this.#latenessMs.shift();
      dueMs = nowMs + LAG_PERIOD_MS;
    });
    this.stop = () => timer.cancel();
  }

  worstMs(): number {
    return Math.max(0, ...this.#latenessMs);
  }
}

function indexOf<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name, index) => [name, index])) as Record<Name, number>;
}
