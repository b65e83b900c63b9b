import type { Clock } from '../base/clock.ts';
import type { LambentError } from '../base/errors.ts';
import type { ActivityFeed } from '../ports/activity-feed.ts';
import type { LogFilter, TelemetryStore } from '../ports/telemetry-store.ts';
import { EventStream, eventText } from './event-stream.ts';

/** Most lines that one read of the store brings: all that a follower keeps in memory. */
export const STREAM_BATCH_LINES = 64;
/** A reader that is this many stored lines behind is told so. */
export const LAGGED_LINES = 5_000;

export interface LogStreamOptions {
  telemetry: TelemetryStore;
  feed: ActivityFeed;
  clock: Clock;
  filter: LogFilter;
  /** Sequence to begin after. */
  after: number;
  /** The highest sequence stored so far. */
  newest: number;
  /** What the reader may know of an error. */
  publicError(thrown: unknown): LambentError;
  onEnd(): void;
}

/**
 * Follows the stored lines. Every line comes from the store, at the pace of the reader: the feed only says that there
 * is more to read. So a slow reader costs one batch of memory, never loses a line, and resumes by sequence alone.
 */
export function followLogs(options: LogStreamOptions): EventStream {
  const { telemetry, feed, clock, filter, publicError, onEnd } = options;
  let { after: position, newest } = options;
  let caughtUp = false;
  return new EventStream({
    clock,
    publicError,
    onEnd,
    listen: (wake) =>
      feed.onStored((lastSequence) => {
        newest = Math.max(newest, lastSequence);
        wake();
      }),
    async read() {
      while (position < newest) {
        // What is stored up to here is seen by the read that follows: when nothing matches, all of it is behind us.
        const upTo = newest;
        const behind = upTo - position;
        const lines = await telemetry.logsAfter(filter, position, STREAM_BATCH_LINES);
        const lagged = caughtUp && behind > LAGGED_LINES;
        if (lagged) caughtUp = false;
        position = lines.at(-1)?.sequence ?? upTo;
        if (lines.length > 0)
          return (
            (lagged ? laggedText(behind) : '') + lines.map((line) => eventText(line.sequence, line)).join('')
          );
      }
      caughtUp = true;
      return undefined;
    },
  });
}

function laggedText(behind: number): string {
  return `event: lagged\ndata: ${JSON.stringify({ behind })}\n\n`;
}
