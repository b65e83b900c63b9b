import type { Connection } from './connection.ts';
import type { EventShare } from './event-scope.ts';
import type { AppName, FunctionName, FunctionVersion } from './function.ts';
import type { Trigger } from './trigger.ts';

/** HTTP methods a route may name; `ANY` stands for all. */
export type RouteMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS' | 'ANY';

/** Cross-origin settings of a route: the platform answers preflights itself and adds the headers. */
export interface CorsPolicy {
  /** Exact origins, or `*`. */
  readonly origins: readonly string[];
  readonly methods: readonly string[];
  readonly headers: readonly string[];
  readonly exposeHeaders: readonly string[];
  readonly credentials: boolean;
  /** How long a browser may remember the preflight, in seconds. */
  readonly maxAgeS: number;
}

/** Binds a method, host and path to a function. */
export interface Route {
  readonly method: RouteMethod;
  /** `/users/:id`, `/files/*` (the rest of the path, as parameter `*`), or a plain path. Starts with `/`. */
  readonly path: string;
  /** Host without port, lower case; `*.example.com` matches one or more labels; `undefined`: any host. */
  readonly host: string | undefined;
  readonly function: FunctionName;
  readonly cors: CorsPolicy | undefined;
}

/** An immutable snapshot of an app. Numbered from 1 within the app. */
export interface Deployment {
  readonly app: AppName;
  readonly number: number;
  /** Epoch milliseconds. */
  readonly createdMs: number;
  /** Who deployed, as the API knew them: a token's name, or `local`. */
  readonly createdBy: string;
  /** A free text of at most 500 characters; often a commit. */
  readonly note: string;
  readonly functions: readonly FunctionVersion[];
  readonly routes: readonly Route[];
  readonly triggers: readonly Trigger[];
  /** The manifest's connections, each of another name. */
  readonly connections: readonly Connection[];
  /** Which of the app's events other apps may hear. */
  readonly shares: readonly EventShare[];
}

/** One part of an app's traffic. Weights of an app's parts add up to 100. */
export interface TrafficShare {
  readonly number: number;
  /** Percent of requests, a whole number from 1 to 100. */
  readonly weight: number;
}

/** What an app serves now. `generation` grows by one with each switch, so that two switches at once are noticed. */
export interface LiveApp {
  readonly app: AppName;
  readonly generation: number;
  /** One or two shares; the first is the older deployment. */
  readonly traffic: readonly TrafficShare[];
}
