import type { HttpExchange } from './state-language.ts';
import type { ExecutionOrigin, ExecutionRecord } from '../model/execution.ts';

/** What ASL states may ask of the world besides functions, timers, activities and tokens. */
export interface StateServices {
  /**
   * Performs one call, at least once: after a crash it is made again with the next attempt. Never rejects.
   * Failures are in AWS' terms, as `Events.ValidationException`.
   */
  perform(call: ServiceCall): Promise<ServiceOutcome>;
  /** The function that a name or ARN in a definition stands for, as the engine calls it: `app/function`. */
  functionName(record: ExecutionRecord, nameOrArn: string): string;
}

export interface ServiceCall {
  readonly record: ExecutionRecord;
  readonly op: number;
  /** From 1. */
  readonly attempt: number;
  readonly request: ServiceRequest;
  /** For whatever it causes. Throws `E_CALL_DEPTH` at the end of a chain that is too long. */
  origin(): ExecutionOrigin;
  /** Told what an HTTP task sent and got. */
  readonly observe?: (exchange: HttpExchange) => void;
}

export type ServiceRequest =
  /** `states:startExecution.sync`, `http:invoke`, `aws-sdk:…`. */
  | {
      readonly kind: 'task';
      readonly service: string;
      readonly action: string;
      readonly parameters: unknown;
      /** Of an execution that is begun without a name: the same at each attempt. */
      readonly name: string;
    }
  /** What an ItemReader reads, as one text, and where it lay. `config`: its ReaderConfig. */
  | {
      readonly kind: 'read';
      readonly resource: string;
      readonly parameters: unknown;
      readonly config: Readonly<Record<string, unknown>>;
    }
  /** The files of a ResultWriter, by name; answered with its details. */
  | {
      readonly kind: 'write';
      readonly resource: string;
      readonly parameters: unknown;
      readonly mapRun: string;
      readonly files: Readonly<Record<string, string>>;
    };

export type ServiceOutcome =
  | { readonly status: 'ok'; readonly output: unknown }
  /** The call began something that ends by itself: its end is delivered to the operation later. */
  | { readonly status: 'begun' }
  | { readonly status: 'failed'; readonly error: string; readonly cause: string };
