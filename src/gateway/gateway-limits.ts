/** What bounds a caller's connection. Times in milliseconds. */
export interface GatewayLimits {
  /** A connection that carries no request is closed after this time. */
  readonly idleMs: number;
  /** The head of a request must be complete within this time. */
  readonly headMs: number;
  /** How often both are looked at. */
  readonly sweepMs: number;
  /** How long a body that nobody will read is taken in, so that its sender gets to read the answer. */
  readonly lingerMs: number;
  /** Request line and headers together. */
  readonly headBytesMax: number;
  /** Open connections; further ones are refused by the system. */
  readonly connectionsMax: number;
  /** A peer that vanished without a word is noticed by TCP after this time of silence. */
  readonly keepAliveProbeMs: number;
}

export const GATEWAY_LIMITS: GatewayLimits = {
  idleMs: 65_000,
  headMs: 30_000,
  sweepMs: 5_000,
  lingerMs: 2_000,
  headBytesMax: 32 * 1024,
  connectionsMax: 20_000,
  keepAliveProbeMs: 60_000,
};
