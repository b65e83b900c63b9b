import type { CloudEvent } from '../model/cloud-event.ts';
import { valueAt } from '../model/event-path.ts';
import type { RuleTarget } from '../model/trigger.ts';
import { toEventBridgeEvent } from './event-view.ts';

/*
 * What the target of a rule gets, as EventBridge makes it
 * (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html): the whole event, a part of
 * it, a constant, or a template with parts of it put in.
 */

/** As JSON. */
export function targetInput(rule: RuleTarget, event: CloudEvent, receivedMs: number): string {
  const { input } = rule;
  if (input.kind === 'constant') return input.json;
  const sent = rule.isScheduled ? scheduledEvent(rule, event) : toEventBridgeEvent(event, receivedMs);
  switch (input.kind) {
    case 'event':
      return JSON.stringify(sent);
    case 'path':
      return JSON.stringify(valueAt(sent, input.path) ?? null);
    case 'template':
      return fill(input.template, (name) => {
        const path = input.paths[name];
        return path === undefined ? predefined(name, rule, sent, receivedMs) : valueAt(sent, path);
      });
  }
}

/** An instant of a schedule, as EventBridge would tell of it. */
function scheduledEvent({ arn }: RuleTarget, event: CloudEvent): Record<string, unknown> {
  const plain = { ...event, type: 'Scheduled Event', source: 'aws.events', data: {} };
  const time = event.time!.replace(/\.\d+Z$/, 'Z');
  return { ...toEventBridgeEvent({ ...plain, time }, 0), resources: [arn] };
}

function predefined(
  name: string,
  { arn, name: ruleName }: RuleTarget,
  sent: Readonly<Record<string, unknown>>,
  receivedMs: number,
): unknown {
  switch (name) {
    case 'aws.events.rule-arn':
      return arn;
    case 'aws.events.rule-name':
      return ruleName;
    case 'aws.events.event.ingestion-time':
      return new Date(receivedMs).toISOString();
    case 'aws.events.event.json':
      return sent;
    case 'aws.events.event':
      return Object.fromEntries(Object.entries(sent).filter(([key]) => key !== 'detail'));
    default:
      return undefined;
  }
}

/** A quoted text, in which names may stand, or a name outside of one. */
const PIECE = /"(?:[^"\\]|\\.)*"|<([A-Za-z0-9_.-]+)>/gs;
const NAME = /<([A-Za-z0-9_.-]+)>/g;

/**
 * A name stands for a JSON value; inside quotes a text goes in without its own. What is not in the event is `null`, or
 * nothing inside quotes. What is no JSON then is passed on as a text.
 */
function fill(template: string, find: (name: string) => unknown): string {
  const inQuotes = (value: unknown): string => {
    const text = typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value);
    return JSON.stringify(text).slice(1, -1);
  };
  const filled = template.replace(PIECE, (piece: string, name: string | undefined) =>
    name === undefined
      ? piece.replace(NAME, (_whole, inner: string) => inQuotes(find(inner)))
      : JSON.stringify(find(name) ?? null),
  );
  try {
    JSON.parse(filled);
    return filled;
  } catch {
    return JSON.stringify(filled);
  }
}
