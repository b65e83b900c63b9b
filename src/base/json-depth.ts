/** Lists and objects within each other that JSON from outside may have: code that walks it by recursion stays safe. */
export const JSON_DEPTH_MAX = 500;

/** Whether a JSON text nests deeper than that. Linear, and without recursion; texts that are not JSON may say either. */
export function isTooDeep(text: string, max: number = JSON_DEPTH_MAX): boolean {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (quoted) {
      if (code === 0x5c) at += 1;
      else if (code === 0x22) quoted = false;
    } else if (code === 0x22) quoted = true;
    else if (code === 0x5b || code === 0x7b) {
      depth += 1;
      if (depth > max) return true;
    } else if (code === 0x5d || code === 0x7d) depth -= 1;
  }
  return false;
}
