/**
 * The types of AWS Lambda's Node.js handlers, as its documentation defines them: handler and context
 * (docs.aws.amazon.com/lambda, "Lambda function handler in Node.js" and "Context object"), and the payload of
 * HTTP calls, API Gateway's format 2.0 (docs.aws.amazon.com/apigateway, "payload format version").
 */

/** What a handler learns of its invocation. */
export interface Context {
  callbackWaitsForEmptyEventLoop: boolean;
  readonly functionName: string;
  readonly functionVersion: string;
  readonly invokedFunctionArn: string;
  /** In megabytes, as text. */
  readonly memoryLimitInMB: string;
  readonly awsRequestId: string;
  readonly logGroupName: string;
  readonly logStreamName: string;
  readonly identity?: CognitoIdentity | undefined;
  readonly clientContext?: ClientContext | undefined;
  /** The function that called this one through `invoke`, if one did. (Not at AWS.) */
  readonly caller?:
    | { readonly app: string; readonly function: string; readonly requestId?: string }
    | undefined;
  /** Aborts when nobody waits for the answer any more: the caller went away, or the time is up. (Not at AWS.) */
  readonly signal: AbortSignal;
  /** Milliseconds until the function is stopped. */
  getRemainingTimeInMillis(): number;
  /** Older ways to finish, for code that still uses them. */
  done(error?: Error | string | null, result?: unknown): void;
  fail(error: Error | string): void;
  succeed(result: unknown): void;
}

export interface CognitoIdentity {
  readonly cognitoIdentityId: string;
  readonly cognitoIdentityPoolId: string;
}

/** What the caller sent along as `clientContext`. */
export type ClientContext = Readonly<Record<string, unknown>>;

export type LambdaCallback<Result = unknown> = (error?: Error | string | null, result?: Result) => void;

/** A handler of events: `export const handler: Handler<MyEvent, MyResult> = async (event, context) => …`. */
export type Handler<Event = unknown, Result = unknown> = (
  event: Event,
  context: Context,
  callback: LambdaCallback<Result>,
) => Promise<Result> | Result | undefined;

/** An HTTP request as an event, payload format 2.0. */
export interface HttpEventV2 {
  readonly version: '2.0';
  /** `GET /users/{id}`, or `$default`. */
  readonly routeKey: string;
  readonly rawPath: string;
  readonly rawQueryString: string;
  readonly cookies?: readonly string[] | undefined;
  /** Names in lower case; values of repeated headers joined by commas. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly queryStringParameters?: Readonly<Record<string, string | undefined>> | undefined;
  readonly pathParameters?: Readonly<Record<string, string | undefined>> | undefined;
  readonly stageVariables?: Readonly<Record<string, string | undefined>> | undefined;
  readonly requestContext: {
    readonly accountId: string;
    readonly apiId: string;
    readonly domainName: string;
    readonly domainPrefix: string;
    readonly http: {
      readonly method: string;
      readonly path: string;
      readonly protocol: string;
      readonly sourceIp: string;
      readonly userAgent: string;
    };
    readonly requestId: string;
    readonly routeKey: string;
    readonly stage: string;
    /** `12/Mar/2020:19:03:58 +0000`. */
    readonly time: string;
    /** Milliseconds since the Unix epoch. */
    readonly timeEpoch: number;
  };
  readonly body?: string | undefined;
  readonly isBase64Encoded: boolean;
}

/** An answer to an HTTP event. Anything without `statusCode` becomes the JSON body of a 200. */
export type HttpResultV2 =
  | {
      readonly statusCode: number;
      readonly headers?: Readonly<Record<string, string | number | boolean>> | undefined;
      /** Each becomes a `set-cookie` header. */
      readonly cookies?: readonly string[] | undefined;
      readonly body?: string | undefined;
      readonly isBase64Encoded?: boolean | undefined;
    }
  | string
  | Readonly<Record<string, unknown>>
  | readonly unknown[];

/** A handler of HTTP requests in Lambda's form. */
export type HttpHandlerV2 = Handler<HttpEventV2, HttpResultV2>;
