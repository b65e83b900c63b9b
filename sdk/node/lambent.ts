/**
 * What a function's code imports as `lambent`: types of the handlers that the platform calls, and `defineApp`
 * for a typed `lambent.config.ts`. At run time there is next to nothing in here, and nothing is needed: a
 * function that exports a `fetch` handler, a `handler`, or a web app runs without importing it.
 *
 * Deliberately absent: dependencies, and any connection to the platform.
 */
import type { AppDefinition } from './app-definition.ts';

export type {
  AppDefinition,
  AppRouteDefinition,
  CorsDefinition,
  Duration,
  FunctionDefinition,
  MemorySize,
  RouteDefinition,
  RouteMethod,
} from './app-definition.ts';
export type {
  FetchContext,
  FetchHandler,
  FetchModule,
} from './fetch-handler.ts';
export type {
  ClientContext,
  CognitoIdentity,
  Context,
  Handler,
  HttpEventV2,
  HttpHandlerV2,
  HttpResultV2,
  LambdaCallback,
} from './lambda-handler.ts';

/** Describes an app in `lambent.config.ts`: `export default defineApp({ … })`. Returns what it is given. */
export function defineApp<const App extends AppDefinition>(app: App): App {
  return app;
}
