/** A status in a word and a colour; the word is enough for who does not see the colour. */

const TONES: Readonly<Record<string, string>> = {
  ok: 'good',
  succeeded: 'good',
  ready: 'good',
  delivered: 'good',
  live: 'good',
  completed: 'good',
  error: 'bad',
  failed: 'bad',
  crashed: 'bad',
  timeout: 'bad',
  timed_out: 'bad',
  timedOut: 'bad',
  continued: 'good',
  dead: 'bad',
  fail: 'bad',
  throttled: 'warn',
  refused: 'warn',
  cancelled: 'warn',
  terminated: 'warn',
  paused: 'warn',
  warn: 'warn',
  retiring: 'warn',
  running: 'info',
  starting: 'info',
  waiting: 'info',
  queued: 'info',
  opened: 'info',
};

export const toneOf = (status: string): string => TONES[status] ?? '';

export function Badge({ status, text = status }: { status: string; text?: string }) {
  return <span className={`badge dot ${toneOf(status)}`}>{text}</span>;
}
