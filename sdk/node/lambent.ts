/**
 * What a function's code imports as `lambent`: types of the handlers that the platform calls, `defineApp` for a
 * typed `lambent.config.ts`, and the calls of the platform: `invoke`, `emit` and `send`. Nothing of it is needed: a function
 * that exports a `fetch` handler, a `handler`, or a web app runs without importing it.
 *
 * Deliberately absent: dependencies, and a connection to the platform of its own (the runtime has it).
 */
import type { AppDefinition } from './app-definition.ts';

export type {
  AppDefinition,
  AppRouteDefinition,
  ConnectionDefinition,
  CorsDefinition,
  Duration,
  FunctionDefinition,
  MemorySize,
  RouteDefinition,
  RouteMethod,
  WorkflowDefinition,
} from './app-definition.ts';
// A star, because only what comes through one can be merged with from outside (`declare module 'lambent'`).
export type * from './app-functions.ts';
export { type CloudEvent, emit, type NewEvent } from './emit.ts';
export type {
  FetchContext,
  FetchHandler,
  FetchModule,
} from './fetch-handler.ts';
export { type InvokeOptions, invoke } from './invoke.ts';
export { type SendOptions, send } from './send.ts';
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
export type { CallError } from './platform.ts';
export { type WriteMark, writeMark } from './write-mark.ts';
export { type StartWorkflowOptions, signalWorkflow, startWorkflow } from './start-workflow.ts';
export {
  type Callback,
  type CallbackOptions,
  type CallOptions,
  type Child,
  type EventOptions,
  FatalError,
  type MapOptions,
  type ParallelOptions,
  type RetryOptions,
  type Settled,
  type StepContext,
  type StepOptions,
  type TolerantMapOptions,
  type WaitOptions,
  type Workflow,
  type WorkflowContext,
  type WorkflowError,
  type WorkflowHandler,
  workflow,
} from './workflow.ts';

/** Describes an app in `lambent.config.ts`: `export default defineApp({ … })`. Returns what it is given. */
export function defineApp<const App extends AppDefinition>(app: App): App {
  return app;
}
