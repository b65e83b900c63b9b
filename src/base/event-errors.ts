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
    'A secret that a function or a trigger names has no value.',
    'Give it one: `lambent secrets set APP NAME`. A trigger also takes an environment variable of that name.',
  ),
  E_SECRET_INVALID: row(
    400,
    'caller',
    false,
    'The name or the value of a secret is not allowed.',
    'A name is that of an environment variable; a value has at most 32 KiB and no zero byte.',
  ),
  E_SECRET_UNREADABLE: row(
    500,
    'operator',
    false,
    'A secret cannot be decrypted: the file with the key is another one than when it was set.',
    'Restore the key file of the data folder from a backup, or set the secret anew.',
  ),
  E_SOURCE_SETUP: row(
    500,
    'author',
    true,
    'A database does not give what a trigger on a table needs.',
    'Do what the message says, on the database; the trigger goes on by itself.',
  ),
  E_SLOT_LOST: row(
    500,
    'author',
    false,
    'PostgreSQL no longer has the changes that a trigger has still to get.',
    'Compare the table with what the function made of it; then give the trigger another `name`, which begins anew.',
  ),
  E_BINLOG_LOST: row(
    500,
    'author',
    false,
    'The binary log of MariaDB or MySQL does not have what a trigger has still to get, or not as rows.',
    'Compare the table with what the function made of it; then give the trigger another `name`, which begins anew.',
  ),
  E_TABLE_RATE: row(
    429,
    'author',
    true,
    'A table changes faster than the `maxPerMinute` of its trigger.',
    'Look for a function that writes to the table that triggers it, and have it say so (docs/tables.md); or raise `maxPerMinute`.',
  ),
  E_CHANGES_LOST: row(
    500,
    'author',
    false,
    'A file of SQLite’s does not have the changes that a trigger has still to get.',
    'Compare the table with what the function made of it; then give the trigger another `name`, which begins anew.',
  ),
  E_BROKER_SETUP: row(
    500,
    'author',
    true,
    'A message broker does not have what a trigger reads, or refuses it.',
    'Do what the message says, on the broker or in the manifest; the trigger goes on by itself.',
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
