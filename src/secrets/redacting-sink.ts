import type { InvocationError, InvocationRecord, LogLine } from '../model/invocation.ts';
import type { ActivitySink } from '../ports/activity.ts';
import type { Secrets } from '../ports/secrets.ts';

/** Takes the values of secrets out of everything that is told of an app, before anybody hears of it. */
export function redactActivity(sink: ActivitySink, secrets: Secrets): ActivitySink {
  return {
    invocation(record, tail) {
      const told = record.error === undefined ? record : withoutSecrets(record, record.error, secrets);
      sink.invocation(told, tail);
    },
    log(line: LogLine) {
      const text = secrets.redact(line.app, line.text);
      sink.log(text === line.text ? line : { ...line, text });
    },
  };
}

function withoutSecrets(
  record: InvocationRecord,
  error: InvocationError,
  secrets: Secrets,
): InvocationRecord {
  const redact = (text: string): string => secrets.redact(record.app, text);
  return {
    ...record,
    error: {
      ...error,
      errorMessage: redact(error.errorMessage),
      stackTrace: error.stackTrace.map(redact),
    },
  };
}
