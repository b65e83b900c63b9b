import { count, elapsed } from './show.ts';

/** Each setting in words: `maxInstances` is *Max instances*, and its unit is at its value. */
export function settingsOf(config: object): (readonly [string, string])[] {
  return Object.entries(config).flatMap(([key, value]): (readonly [string, string])[] => {
    const [, stem = key, unit = ''] = /^(.*?)(Ms|Mb)?$/.exec(key) ?? [];
    const words = stem.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
    const name = `${words[0]?.toUpperCase()}${words.slice(1)}`;
    if (typeof value === 'number')
      // Of the largest bodies it means that there is none.
      return [
        [
          name,
          unit === 'Mb' && value === 0
            ? 'no limit'
            : unit === 'Ms'
              ? elapsed(value)
              : `${count(value)}${unit === 'Mb' ? ' MB' : ''}`,
        ],
      ];
    if (typeof value === 'string') return [[name, value]];
    if (Array.isArray(value)) return value.length === 0 ? [] : [[name, value.map(textOfPart).join(', ')]];
    if (typeof value !== 'object' || value === null) return [[name, value === true ? 'yes' : 'no']];
    // Values of variables are no secrets, and yet nobody needs them on the screen.
    const keys = Object.keys(value);
    return keys.length === 0 ? [] : [[name, keys.join(', ')]];
  });
}

const textOfPart = (part: unknown): string => (typeof part === 'string' ? part : JSON.stringify(part));
