/** What a Task's Resource names, taken apart. */
export type TaskResource =
  /** `arn:aws:lambda:…:function:NAME[:QUALIFIER]` */
  | { readonly kind: 'lambda'; readonly arn: string }
  /** `arn:aws:states:…:activity:NAME` */
  | { readonly kind: 'activity'; readonly arn: string }
  /** `arn:aws:states:::SERVICE:ACTION[.PATTERN]`, and `aws-sdk:SERVICE:ACTION`. */
  | {
      readonly kind: 'service';
      readonly arn: string;
      /** As the history's `resourceType`: `lambda`, `aws-sdk:dynamodb`. */
      readonly service: string;
      /** As the history's `resource`, the pattern included: `invoke.waitForTaskToken`. */
      readonly action: string;
      readonly pattern: 'request' | 'sync' | 'sync:2' | 'token';
      readonly region: string;
    };

/** Integrations that there are here, with their patterns left off. */
const SERVICES: ReadonlySet<string> = new Set([
  'lambda:invoke',
  'states:startExecution',
  'events:putEvents',
  'http:invoke',
  'aws-sdk:lambda:invoke',
  'aws-sdk:sfn:startExecution',
  'aws-sdk:eventbridge:putEvents',
]);

/** Why a Task's resource can do nothing here, in a sentence; `undefined`: it can, or it is no service's. */
export function missingService(arn: string): string | undefined {
  const resource = parseTaskResource(arn);
  if (resource.kind !== 'service') return undefined;
  const action = resource.action.replace(/\.(?:sync(?::2)?|waitForTaskToken)$/, '');
  if (SERVICES.has(`${resource.service}:${action}`)) return undefined;
  return `Lambent has no service ${resource.service}:${action}: a task of it fails with States.Runtime. There are ${[...SERVICES].join(', ')}, functions and activities; anything else is a function of yours.`;
}

/** Activities, jobs that are waited for, and task tokens: AWS has none of them in EXPRESS state machines. */
export function waitsForOthers(arn: string): boolean {
  const resource = parseTaskResource(arn);
  return resource.kind === 'activity' || (resource.kind === 'service' && resource.pattern !== 'request');
}

export function parseTaskResource(arn: string): TaskResource {
  const [, , service = '', region = '', , ...rest] = arn.split(':');
  if (service === 'lambda') return { kind: 'lambda', arn };
  if (service === 'states' && rest[0] === 'activity') return { kind: 'activity', arn };
  const sdk = rest[0] === 'aws-sdk';
  const name = sdk ? `aws-sdk:${rest[1]}` : (rest[0] ?? '');
  const action = rest.slice(sdk ? 2 : 1).join(':');
  const pattern = action.endsWith('.sync:2')
    ? 'sync:2'
    : action.endsWith('.sync')
      ? 'sync'
      : action.endsWith('.waitForTaskToken')
        ? 'token'
        : 'request';
  return { kind: 'service', arn, service: name, action, pattern, region: region || 'us-east-1' };
}
