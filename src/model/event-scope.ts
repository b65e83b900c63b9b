import type { Branded } from '../base/ids.ts';
import type { AppName } from './function.ts';

/**
 * Whose an event is, and with that who may hear it: everybody's, one app's, or a shared bus's. Who emits does not
 * choose it: the platform knows which app a function, a source or a delivery belongs to.
 *
 * - everybody's: it came from outside, by who may publish to the platform, and is for all apps;
 * - an app's: its own triggers hear it, and those on a bus on which the app's manifest shares it;
 * - a bus's: triggers with `bus` hear it, and nobody else.
 */
export type EventScope = Branded<'EventScope'>;

export const EVERYBODY = '' as EventScope;

/** Name of a shared bus: as of an app, at most 63. */
export const BUS_NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

const OF_BUS = 'bus:';

/** No name of an app has a colon, so that the two never meet. */
export function scopeOfApp(app: AppName): EventScope {
  return app as string as EventScope;
}

export function scopeOfBus(bus: string): EventScope {
  return (OF_BUS + bus) as EventScope;
}

/** What an app lets others hear: its events that match go to `bus` too. */
export interface EventShare {
  readonly bus: string;
  readonly pattern: Readonly<Record<string, unknown>>;
}
