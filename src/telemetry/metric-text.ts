/*
 * Prometheus text exposition, format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).
 */

export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export type MetricKind = 'counter' | 'gauge' | 'histogram';
export type Labels = Readonly<Record<string, string>>;

/** Escapes a label's value: backslash, double quote and line feed. */
export function escapeLabelValue(value: string): string {
  return value.replace(/[\\"\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`));
}

/** `a="1",b="2"`: labels without braces, ready to be joined with more. */
export function formatLabels(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeLabelValue(value)}"`)
    .join(',');
}

export function formatNumber(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  return String(value);
}

/** Collects lines family by family. */
export class MetricText {
  readonly #parts: string[] = [];

  /** Opens a family; its samples follow. */
  family(name: string, kind: MetricKind, help: string): void {
    const text = help.replace(/[\\\n]/g, (char) => (char === '\n' ? '\\n' : '\\\\'));
    this.#parts.push(`# HELP ${name} ${text}\n# TYPE ${name} ${kind}\n`);
  }

  /** @param labels as `formatLabels` writes them; empty for none */
  sample(name: string, labels: string, value: number): void {
    this.#parts.push(
      labels === '' ? `${name} ${formatNumber(value)}\n` : `${name}{${labels}} ${formatNumber(value)}\n`,
    );
  }

  /** A family with a single sample. */
  single(name: string, kind: MetricKind, help: string, value: number): void {
    this.family(name, kind, help);
    this.sample(name, '', value);
  }

  toString(): string {
    return this.#parts.join('');
  }
}
