import { toLambentError } from '../base/errors.ts';
import { type CloudEvent, parseCloudEvent } from '../model/cloud-event.ts';
import { busNamed } from './event-bus.ts';
import { AwsJsonError, RequestFields } from './json-protocol.ts';

/*
 * An entry of PutEvents, as the API and the task of a state machine give it. Entries stand or fall one by one, as at AWS:
 * a bad one gets an ErrorCode in its place.
 */

export interface EntryContext {
  readonly id: string;
  readonly nowMs: number;
  readonly hasBus: (name: string) => boolean;
}

/** What becomes of one, as PutEvents answers. */
export type EntryOutcome =
  | { readonly EventId: string }
  | { readonly ErrorCode: string; readonly ErrorMessage: string };

/** Stores one by `publish`. Does not throw. */
export async function putEntry(
  entry: unknown,
  context: EntryContext,
  publish: (event: CloudEvent, bus: string) => Promise<unknown>,
): Promise<EntryOutcome> {
  try {
    const { event, bus } = parseEntry(entry, context);
    await publish(event, bus);
    return { EventId: event.id };
  } catch (thrown) {
    if (thrown instanceof AwsJsonError) return { ErrorCode: thrown.type, ErrorMessage: thrown.message };
    const { code, message, facts } = toLambentError(thrown);
    if (facts.fault === 'caller') return { ErrorCode: 'InvalidArgument', ErrorMessage: message };
    const ErrorCode = code === 'E_OVERLOADED' ? 'ThrottlingException' : 'InternalFailure';
    return { ErrorCode, ErrorMessage: message };
  }
}

/** What PutEvents answers of them all. */
export function answerOf(outcomes: readonly EntryOutcome[]): {
  readonly FailedEntryCount: number;
  readonly Entries: readonly EntryOutcome[];
} {
  return { FailedEntryCount: outcomes.filter((each) => 'ErrorCode' in each).length, Entries: outcomes };
}

function parseEntry(
  entry: unknown,
  { id, nowMs, hasBus }: EntryContext,
): { readonly event: CloudEvent; readonly bus: string } {
  const refuse = (message: string): AwsJsonError => new AwsJsonError('InvalidArgument', message);
  if (typeof entry !== 'object' || entry === null) throw refuse('An entry is an object.');
  const fields = new RequestFields(entry as Record<string, unknown>);
  const bus = busNamed(fields.optionalText('EventBusName', 1_600));
  if (!hasBus(bus)) throw refuse(`Event bus ${bus.slice(0, 256)} does not exist.`);
  const [source, type, detail] = ['Source', 'DetailType', 'Detail'].map((name) => {
    const value = fields.optionalText(name);
    if (value === undefined || value === '')
      throw refuse(`Parameter ${name} is not valid. Reason: ${name} is a required argument.`);
    return value;
  });
  const resources = fields.list('Resources');
  const timeS = fields.number('Time', 0, 8.64e12);
  const event = parseCloudEvent({
    specversion: '1.0',
    id,
    source,
    type,
    time: new Date(timeS === undefined ? nowMs : timeS * 1_000).toISOString(),
    datacontenttype: 'application/json',
    ...(resources.length === 0 ? {} : { awsresources: JSON.stringify(resources) }),
    data: parseDetail(detail!),
  });
  return { event, bus };
}

function parseDetail(text: string): object {
  try {
    const detail: unknown = JSON.parse(text);
    if (typeof detail === 'object' && detail !== null && !Array.isArray(detail)) return detail;
  } catch {
    // Said below.
  }
  throw new AwsJsonError('MalformedDetail', 'Detail is malformed: it must be a JSON object.');
}
