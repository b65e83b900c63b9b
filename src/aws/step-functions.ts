import { type LambentError, toLambentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Authorize } from '../ports/authorize.ts';
import { ACTIVITY_OPERATIONS } from './activities.ts';
import { EXECUTION_OPERATIONS } from './executions.ts';
import { AwsJsonError, jsonResponse, RequestFields, toAwsJsonError } from './json-protocol.ts';
import { MAP_RUN_OPERATIONS } from './map-runs.ts';
import { LANGUAGE_OPERATIONS } from './state-language-operations.ts';
import { STATE_MACHINE_OPERATIONS } from './state-machines.ts';
import type { StatesOperation, StatesParts } from './states-operation.ts';
import { TAG_OPERATIONS } from './states-tags.ts';

/*
 * The Step Functions API (https://docs.aws.amazon.com/step-functions/latest/apireference/), so that AWS' own SDKs and
 * CLI work with their endpoint set to this server. Executions are the engine's, written to its journal; what is kept
 * beside it is small (ports/state-machine-store.ts).
 *
 * Guaranteed: what an operation answers is durable before it answers. Errors have AWS' names.
 * Deliberately absent: regions, accounts and roles (one of each, not checked), logging to CloudWatch, X-Ray, and the
 * short life of EXPRESS executions: they are journalled like the others.
 */

const TARGET = /^AWSStepFunctions\.([A-Za-z]+)$/;
const OPERATIONS: ReadonlyMap<string, StatesOperation> = new Map(
  Object.entries({
    ...STATE_MACHINE_OPERATIONS,
    ...TAG_OPERATIONS,
    ...LANGUAGE_OPERATIONS,
    ...EXECUTION_OPERATIONS,
    ...MAP_RUN_OPERATIONS,
    ...ACTIVITY_OPERATIONS,
  }),
);

export interface StepFunctionsApi {
  /** Whether an X-Amz-Target is of this API. */
  matches(awsTarget: string): boolean;
  /** Never rejects. `remoteAddress`: IP address of the connection's other end. */
  fetch(request: Request, remoteAddress: string): Promise<Response>;
}

export function createStepFunctionsApi(
  parts: StatesParts & { readonly authorize: Authorize; readonly log: Log },
): StepFunctionsApi {
  return {
    matches: (awsTarget) => TARGET.test(awsTarget),
    async fetch(request, remoteAddress) {
      const id = parts.mintUuid();
      try {
        await parts.authorize(request, remoteAddress);
        const name = TARGET.exec(request.headers.get('x-amz-target') ?? '')?.[1] ?? '';
        const operation = OPERATIONS.get(name);
        if (operation === undefined) {
          throw new AwsJsonError(
            'UnknownOperationException',
            `There is no operation ${name.slice(0, 100)} here.`,
          );
        }
        return jsonResponse(await operation(parts, await RequestFields.read(request), request.signal), id);
      } catch (thrown) {
        return errorOf(thrown, id, parts.log).toResponse(id);
      }
    },
  };
}

function errorOf(thrown: unknown, requestId: string, log: Log): AwsJsonError {
  if (thrown instanceof AwsJsonError) return thrown;
  const error: LambentError = toLambentError(thrown);
  const known = toAwsJsonError(error);
  if (known !== undefined) return known;
  log.error('a call by the Step Functions API met a defect', {
    requestId,
    code: error.code,
    error: error.message,
  });
  return new AwsJsonError('InternalFailure', `Something went wrong inside Lambent (${requestId}).`, {
    status: 500,
  });
}
