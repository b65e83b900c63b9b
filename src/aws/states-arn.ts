import { AwsJsonError } from './json-protocol.ts';

/*
 * Names of Step Functions' things. There is one region and one account here, so the ones in an ARN that a caller gives
 * are not looked at: a definition that was written for another account works unchanged.
 */

const REGION = 'us-east-1';
const ACCOUNT = '000000000000';
const NAME = /^[^\s<>{}[\]?*"#%\\^|~`$&,;:/\u0000-\u001f\u007f-\u009f]{1,80}$/u;

export type StatesArn =
  | { readonly kind: 'stateMachine'; readonly machine: string; readonly qualifier: string | undefined }
  | { readonly kind: 'execution'; readonly machine: string; readonly name: string }
  | { readonly kind: 'activity'; readonly name: string }
  | { readonly kind: 'mapRun'; readonly machine: string; readonly label: string; readonly id: string };

const arn = (rest: string): string => `arn:aws:states:${REGION}:${ACCOUNT}:${rest}`;
export const machineArn = (machine: string): string => arn(`stateMachine:${machine}`);
export const versionArn = (machine: string, version: number): string =>
  arn(`stateMachine:${machine}:${version}`);
export const aliasArn = (machine: string, alias: string): string => arn(`stateMachine:${machine}:${alias}`);
export const executionArn = (machine: string, name: string): string => arn(`execution:${machine}:${name}`);
export const activityArn = (name: string): string => arn(`activity:${name}`);

/** `machine`: `MACHINE/LABEL`. */
export const mapRunArn = (machine: string, id: string): string => arn(`mapRun:${machine}:${id}`);

/** A name of a state machine, an execution or an activity (AWS' own rules). */
export function checkName(name: string): string {
  if (NAME.test(name)) return name;
  throw new AwsJsonError('InvalidName', `Invalid Name: '${name.slice(0, 100)}'`);
}

export function parseStatesArn(text: string): StatesArn | undefined {
  const [prefix, partition, service, , , kind, ...rest] = text.split(':');
  if (prefix !== 'arn' || partition === undefined || service !== 'states' || text.length > 512)
    return undefined;
  const [first, second] = rest;
  if (first === undefined || first === '') return undefined;
  if (kind === 'stateMachine' && rest.length <= 2) return { kind, machine: first, qualifier: second };
  if (kind === 'execution' && rest.length === 2 && second !== '')
    return { kind, machine: first, name: second! };
  if (kind === 'activity' && rest.length === 1) return { kind, name: first };
  if (kind === 'mapRun' && rest.length === 2) {
    const [machine, label = ''] = first.split('/');
    return { kind, machine: machine!, label, id: second! };
  }
  return undefined;
}

/** The ARN of one kind, or `InvalidArn`. */
export function requireArn<Kind extends StatesArn['kind']>(
  text: string,
  kind: Kind,
): Extract<StatesArn, { kind: Kind }> {
  const parsed = parseStatesArn(text);
  if (parsed?.kind === kind) return parsed as Extract<StatesArn, { kind: Kind }>;
  throw new AwsJsonError('InvalidArn', `Invalid Arn: '${text.slice(0, 300)}'`);
}
