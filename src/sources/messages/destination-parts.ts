/** `QUEUE/KEY`: where a message is sent, and what the broker takes with it. Neither kind of name has a slash, keys may. */
export function destinationParts(destination: string): readonly [place: string, key: string | undefined] {
  const slash = destination.indexOf('/');
  return slash === -1
    ? [destination, undefined]
    : [destination.slice(0, slash), destination.slice(slash + 1)];
}
