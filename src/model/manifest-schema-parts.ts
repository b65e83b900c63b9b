import { z } from 'zod';
import { DURATION_TEXT } from './manifest-units.ts';

/** Pieces that schemas of the manifest share. Each `error` text completes "… must be". */

/** Names of environment variables. */
export const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

const DURATION_EXPECTED = 'a duration: seconds as a number, or text such as `500ms`, `30s`, `5m`, `1h`';
export const MEMORY_EXPECTED = 'a size: megabytes as a number, or text such as `256mb` or `1gb`';

export const duration = (description: string) =>
  z
    .union([z.number().min(0), z.string().regex(DURATION_TEXT, { error: DURATION_EXPECTED })], {
      error: DURATION_EXPECTED,
    })
    .describe(description);

export const whole = (least: number, most: number, description: string) =>
  z
    .int({ error: `a whole number from ${least} to ${most}` })
    .min(least, { error: `a whole number from ${least} to ${most}` })
    .max(most, { error: `a whole number from ${least} to ${most}` })
    .describe(description);

export const text = (expected: string, description: string) =>
  z.string({ error: expected }).min(1, { error: expected }).describe(description);

export const texts = (expected: string, description: string) =>
  z.array(text(expected, expected), { error: `a list of texts, each ${expected}` }).describe(description);
