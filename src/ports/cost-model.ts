import type { UsageRow } from './telemetry-store.ts';

/** Processor of the function as AWS Lambda names it; the prices differ. */
export type CpuArchitecture = 'x86_64' | 'arm64';

/** US dollars, not rounded. */
export interface Cost {
  readonly requestsUsd: number;
  readonly computeUsd: number;
  readonly totalUsd: number;
}

/** Where prices come from. */
export interface PriceTableFacts {
  readonly source: string;
  /** The day the table was compared with its source, `YYYY-MM-DD`. */
  readonly date: string;
  readonly region: string;
}

/** What the same use would cost elsewhere, at list price. */
export interface CostModel {
  readonly table: PriceTableFacts;
  price(usage: Pick<UsageRow, 'invocations' | 'billedMs' | 'billedMbMs'>, cpu: CpuArchitecture): Cost;
}
