import type { Log } from '../base/log.ts';
import type { InvocationRecord } from '../model/invocation.ts';
import type { ActivitySink, CallTail } from '../ports/activity.ts';

/** Shows each call that ended to further watchers, who cannot hurt the one who tells of it. */
export function watchCalls(
  sink: ActivitySink,
  log: Log,
  watchers: readonly ((record: InvocationRecord, tail: CallTail) => void)[],
): ActivitySink {
  return {
    invocation(record, tail) {
      sink.invocation(record);
      if (tail === undefined) return;
      try {
        for (const watch of watchers) watch(record, tail);
      } catch (thrown) {
        log.error('a watcher of calls threw', { error: String(thrown) });
      }
    },
    log: (line) => sink.log(line),
  };
}
