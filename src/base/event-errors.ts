import { type ErrorFacts, row } from './error-facts.ts';

/** Codes of events, their patterns and their sources. */
export const EVENT_ERRORS = {
  E_PATTERN_INVALID: row(
    400,
    'author',
    false,
    'An event pattern is not one of EventBridge’s language.',
    'Correct the part that the message names; docs/events.md lists the operators.',
  ),
  E_EVENT_INVALID: row(
    400,
    'caller',
    false,
    'An event is not a CloudEvent 1.0, or one of its attributes breaks a rule.',
    'Correct the attribute that the message names.',
  ),

  E_SIGNATURE_INVALID: row(
    401,
    'caller',
    false,
    'A webhook is not signed with a key of its trigger, or its signature is too old.',
    'Compare the key and the clock on both sides; docs/events.md says what each scheme signs.',
  ),
  E_SECRET_MISSING: row(
    500,
    'author',
    false,
    'A key that a trigger names has no value.',
    'Set the environment variable that the message names for the function, and deploy.',
  ),
  E_EVENT_LOOP: row(
    400,
    'author',
    false,
    'Events caused events in a chain that is longer than the limit.',
    'Look for a function that emits what triggers it; narrow the pattern of its trigger.',
  ),
  E_EVENT_UNDELIVERABLE: row(
    500,
    'author',
    false,
    'An event could not be delivered: the function that its trigger names is not live, or it reported the event as failed.',
    'See `lambent dead-letters`; deploy the function, or mend it, and redrive.',
  ),
} as const satisfies Record<string, ErrorFacts>;
