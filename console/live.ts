import type { Query } from '@tanstack/react-query';
import type { Change, ChangeTopic } from '../src/ports/changes.ts';
import { noteAnswer, noteBehind, noteSilence, noteStream } from './connection.ts';
import { queryClient } from './query-client.ts';

/*
 * What is on the screen is read again when the server says that it changed, and by nothing else. A stream of
 * server-sent events names what changed; after a lost connection it goes on where it was, and where that is too long
 * ago, everything is read again.
 */

const API = '/_lambent/api/v1';

/** What each part of the API shows: the first that fits counts. A screen's own questions name the path as their key. */
const TOPICS: readonly (readonly [path: RegExp, topics: readonly ChangeTopic[]])[] = [
  [/^\/(?:invocations|activity|latency|usage|instances)\b/, ['invocations']],
  [/^\/traffic\b/, ['invocations', 'executions']],
  [/^\/(?:functions)\b/, ['apps', 'invocations']],
  [/^\/(?:events|dead-letters)\b/, ['events']],
  [/^\/(?:apps\/[^/]+\/)?triggers\b/, ['events', 'apps']],
  [/^\/executions\b/, ['executions']],
  [/^\/(?:tokens|keys|secrets)\b/, ['settings']],
  [/^\/connections\b/, ['settings', 'apps']],
  [/^\/apps\/[^/]+\/functions\/[^/]+\/events$/, ['settings']],
  [/^\/apps\/[^/]+\/workflows\b/, ['executions']],
  [/^\/apps\b/, ['apps']],
];

/** How often a part is read again at most, in milliseconds: sums over many steps of time cost more than a list. */
const AT_MOST: readonly (readonly [path: RegExp, everyMs: number])[] = [
  [/^\/activity.*stepMinutes|\/workflows\/.*\/graph$/, 30_000],
  [/^\/(?:activity|latency|usage)\b/, 3_000],
  [/^\/(?:functions|instances|apps|traffic)\b/, 1_000],
];
const LEAST_MS = 400;
/** A stream that the server ended, or refused, is asked for again after this time. */
const REOPEN_MS = 2_000;

/** Keys of questions that will be read again. */
const due = new Set<string>();
let place = '';
let wasOpen = false;
/** How often everything was read again. */
let rounds = 0;
let stream: EventSource | undefined;
let reopening: ReturnType<typeof setTimeout> | undefined;

/** Begins to follow. Returns how to stop. */
export function follow(): () => void {
  document.addEventListener('visibilitychange', onVisibility);
  open();
  return () => {
    document.removeEventListener('visibilitychange', onVisibility);
    close();
  };
}

/** A page that nobody sees follows nothing; the browser allows a server few connections. */
function onVisibility(): void {
  if (document.hidden) close();
  else open();
}

function open(): void {
  close();
  stream = new EventSource(`${API}/changes${place === '' ? '' : `?after=${encodeURIComponent(place)}`}`);
  stream.onopen = () => {
    noteStream(true);
    // It was lost before it had said where it was: what happened meanwhile, nobody will tell.
    if (wasOpen && place === '') readEverything();
    wasOpen = true;
  };
  stream.onmessage = ({ data, lastEventId }: MessageEvent<string>) => {
    place = lastEventId;
    noteAnswer();
    onChange(JSON.parse(data) as Change);
  };
  stream.addEventListener('reset', ({ lastEventId }) => {
    place = lastEventId;
    noteAnswer();
    readEverything();
  });
  stream.onerror = () => {
    noteStream(false);
    noteSilence();
    // The browser connects again by itself, unless it was refused.
    if (stream?.readyState !== EventSource.CLOSED) return;
    clearTimeout(reopening);
    reopening = setTimeout(open, REOPEN_MS);
  };
}

/** The page is behind until the latest round ends: an earlier one ends when a later one begins. */
function readEverything(): void {
  rounds += 1;
  const own = rounds;
  noteBehind(true);
  void queryClient.invalidateQueries().finally(() => {
    if (own === rounds) noteBehind(false);
  });
}

function close(): void {
  clearTimeout(reopening);
  stream?.close();
  stream = undefined;
}

function onChange(change: Change): void {
  for (const query of queryClient.getQueryCache().findAll({ type: 'active' }))
    if (isTouched(query, change)) readSoon(query);
}

function isTouched({ queryKey, meta }: Query, { topics, executions }: Change): boolean {
  const [path] = queryKey;
  if (typeof path !== 'string' || meta?.once === true) return false;
  const own = TOPICS.find(([pattern]) => pattern.test(path))?.[1] ?? [];
  if (!own.some((topic) => topics.includes(topic))) return false;
  if (!topics.includes('executions') || executions === undefined || !own.includes('executions')) return true;
  // What shows one execution is read again for that one alone.
  const one = /^\/executions\/([^/?]+)/.exec(path)?.[1];
  return one === undefined || executions.includes(one);
}

/** Reads a question again: at once, unless it was read a moment ago. Further pages of a list stay what they were. */
function readSoon(query: Query): void {
  const { queryHash, queryKey, state } = query;
  const pages = (state.data as { pages?: readonly unknown[] } | undefined)?.pages;
  if (due.has(queryHash) || (pages !== undefined && pages.length > 1)) return;
  const everyMs = AT_MOST.find(([pattern]) => pattern.test(String(queryKey[0])))?.[1] ?? LEAST_MS;
  const read = (): void => {
    // An answer that is on its way may be of before: the next question waits for it.
    if (query.state.fetchStatus === 'fetching') {
      setTimeout(read, LEAST_MS);
      return;
    }
    due.delete(queryHash);
    void queryClient.refetchQueries({ queryKey, exact: true });
  };
  due.add(queryHash);
  setTimeout(read, Math.max(0, state.dataUpdatedAt + everyMs - Date.now()));
}
