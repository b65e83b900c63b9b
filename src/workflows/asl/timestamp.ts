const TIMESTAMP = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(Z|[+-]\d{2}:\d{2})$/;

/** Epoch milliseconds of an RFC 3339 time with offset and capital T and Z; `undefined` when the text is not one. */
export function parseTimestamp(text: string): number | undefined {
  const found = TIMESTAMP.exec(text);
  if (found === null) return undefined;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) return undefined;
  // Date.parse takes 30 February for 2 March; a time that does not read back as written is none.
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const utc = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  return utc.getUTCMonth() === month - 1 && utc.getUTCDate() === day ? ms : undefined;
}
