import { isUtf8 } from 'node:buffer';
import type { RawPayload } from '../ports/activity.ts';
import { type CallPayload, PAYLOAD_BYTES_MAX } from '../ports/call-details.ts';

/*
 * A payload as the history may show it to everybody who may read the history: without what lets somebody in. What is
 * taken out is known by its name (of a header, a parameter, a member), or because it is the value of a secret of the
 * app. A credential under a name that nobody would expect stays in: for such functions `keepPayloads: false` is there.
 */

export const REDACTED = '[redacted]';

/** Headers that carry credentials by their standards or by habit. */
const HEADER =
  /^(?:authorization|proxy-authorization|cookie|set-cookie|.*(?:token|secret|password|api-?key|signature|credential).*)$/;
const NAME =
  '[\\w.-]*(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|authorization|cookie|credential|signature|private[_-]?key)[\\w.-]*';
const PARAMETER = new RegExp(`([?&](?:${NAME}|sig|key)=)[^&#\\s]+`, 'gi');
/** A member of JSON whose value is a string, a list or a number; also in a text that is cut off. */
const MEMBER = new RegExp(
  `("${NAME}"\\s*:\\s*)(?:"(?:[^"\\\\]|\\\\.)*"?|\\[[^\\]{]*\\]?|-?\\d[\\d.eE+-]*)`,
  'gi',
);
const FIELD_OF_FORM = new RegExp(`((?:^|&)${NAME}=)[^&\\s]+`, 'gim');

const withoutParameters = (head: string): string => head.replace(PARAMETER, `$1${REDACTED}`);
/** What was JSON stays JSON. */
const withoutMembers = (text: string): string =>
  /^\s*[[{"]/.test(text)
    ? text.replace(MEMBER, `$1"${REDACTED}"`)
    : text.replace(FIELD_OF_FORM, `$1${REDACTED}`);

/** @param withoutSecrets takes out the values of the app's secrets */
export function redactPayload(raw: RawPayload, withoutSecrets: (text: string) => string): CallPayload {
  const { head, headerLines, bytes } = raw;
  const whole = Buffer.concat(raw.body);
  const kept = whole.subarray(0, PAYLOAD_BYTES_MAX);
  const cut = bytes > kept.length;
  let redacted = false;
  const clean = (text: string, more: (text: string) => string): string => {
    const result = more(withoutSecrets(text));
    redacted ||= result !== text;
    return result;
  };
  const headerOf = (name: string, value: string): string =>
    clean(value, (text) => (HEADER.test(name) ? REDACTED : text));
  const text = textOf(kept, cut);
  return {
    ...(head === undefined ? {} : { head: clean(head, withoutParameters) }),
    ...(headerLines === undefined ? {} : { headers: headersOf(headerLines, headerOf) }),
    body: text === undefined ? kept.toString('base64') : clean(text, withoutMembers),
    encoding: text === undefined ? 'base64' : 'utf8',
    ...{ bytes, cut },
    // Read last: what comes before sets it.
    redacted,
  };
}

/** `undefined`: it is no text. A character at the place of a cut may be half there. */
function textOf(bytes: Buffer, cut: boolean): string | undefined {
  for (let less = 0; less <= (cut ? 3 : 0); less += 1) {
    const part = bytes.subarray(0, bytes.length - less);
    if (isUtf8(part)) return part.toString();
  }
  return undefined;
}

function headersOf(
  lines: string,
  toValue: (name: string, value: string) => string,
): (readonly [string, string])[] {
  return lines.split(/\r?\n/).flatMap((line) => {
    const colon = line.indexOf(':');
    if (colon <= 0) return [];
    const name = line.slice(0, colon).toLowerCase();
    return [[name, toValue(name, line.slice(colon + 1).trim())] as const];
  });
}
