/** Of each partition the offset of the next message. */
export type Offsets = ReadonlyMap<number, bigint>;

/** As text: by the number of the partition, `12,5,,7`; nothing is said of the third. */
export function formatOffsets(offsets: Offsets): string {
  const texts: string[] = [];
  for (const [partition, offset] of offsets) texts[partition] = offset.toString();
  return Array.from(texts, (text) => text ?? '').join(',');
}

/** What stands in a position behind `prefix`; `undefined`: it is another's position, or none. */
export function parseOffsets(position: string | undefined, prefix: string): Map<number, bigint> | undefined {
  if (position?.startsWith(prefix) !== true) return undefined;
  const texts = position.slice(prefix.length).split(',');
  return new Map(texts.flatMap((text, partition) => (/^\d+$/.test(text) ? [[partition, BigInt(text)]] : [])));
}
