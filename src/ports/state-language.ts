import type { Failure } from '../model/journal.ts';

/** Amazon States Language, for those who take definitions from outside. */
export interface StateLanguage {
  /** What is wrong with a definition; nothing when it can run. `EXPRESS` machines have no waits for others. */
  check(definition: string, type?: 'STANDARD' | 'EXPRESS'): readonly StateDiagnostic[];
  /** Runs one state, as far as it goes. Rejects with `E_BAD_REQUEST` when the definition is none. */
  testState(request: TestStateRequest): Promise<TestStateOutcome>;
}

export interface StateDiagnostic {
  readonly severity: 'ERROR' | 'WARNING';
  readonly code: string;
  readonly message: string;
  /** JSON pointer into the definition. */
  readonly location: string;
}

export interface TestStateRequest {
  /** A state, or a whole definition with `stateName`. */
  readonly definition: string;
  readonly stateName: string | undefined;
  /** JSON text. */
  readonly input: string;
  /** JSON text of an object with the values of variables. */
  readonly variables: string;
  /** JSON text of an object with what the context object is to have. */
  readonly context: string;
  /** Attempts that each entry of Retry has seen already. */
  readonly retries: number;
  /** What the state's task answers in this test; `undefined`: what it asks for is done. */
  readonly mock: { readonly result?: string; readonly error?: string; readonly cause?: string } | undefined;
}

/** Does what the task of a tested state asks for, once. Never rejects. */
export type TryTask = (task: TriedTask) => Promise<TriedOutcome>;

export type TriedTask = {
  /** Milliseconds. */
  readonly timeoutMs: number;
} & (
  | { readonly kind: 'function'; readonly nameOrArn: string; readonly input: unknown }
  | {
      readonly kind: 'service';
      readonly service: string;
      readonly action: string;
      readonly parameters: unknown;
    }
);

export type TriedOutcome =
  | { readonly status: 'ok'; readonly output: unknown; readonly exchange?: HttpExchange | undefined }
  | { readonly status: 'failed'; readonly error: Failure; readonly exchange?: HttpExchange | undefined }
  | { readonly status: 'expired' };

/** What an HTTP task sent, without what its connection adds to that, and what it got. */
export interface HttpExchange {
  readonly request: HttpSent;
  readonly response:
    | {
        readonly statusCode: string;
        readonly statusMessage: string;
        /** JSON text. */
        readonly headers: string;
        readonly body: string;
      }
    | undefined;
}

export interface HttpSent {
  readonly method: string;
  readonly url: string;
  /** JSON text. */
  readonly headers: string;
  readonly body: string;
}

/** How a tested state came from its input to its output: data by the name of the field that they have passed. */
export type TestStateInspection = Readonly<Record<string, unknown>>;

export interface TestStateOutcome {
  readonly status: 'SUCCEEDED' | 'FAILED' | 'RETRIABLE' | 'CAUGHT_ERROR';
  readonly output: string | undefined;
  readonly error: string | undefined;
  readonly cause: string | undefined;
  readonly nextState: string | undefined;
  /** Variables as the state leaves them, JSON text. */
  readonly variables: string | undefined;
  readonly inspection: TestStateInspection;
  /** Of an HTTP task. */
  readonly exchange: HttpExchange | undefined;
}
