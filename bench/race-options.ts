export interface RaceOptions {
  /** How often each contestant is measured; the median counts. */
  readonly rounds: number;
  /** How long one measurement takes. */
  readonly seconds: number;
}
