import { OpenAPIHono } from '@hono/zod-openapi';
import { bodyLimit } from 'hono/body-limit';
import { LambentError } from '../base/errors.ts';
import type { Caller } from '../ports/authorize.ts';

export interface AdminEnv {
  Bindings: { remoteAddress: string; requestId: string };
  Variables: { caller: Caller };
}

export type AdminRouter = OpenAPIHono<AdminEnv>;

/** The largest JSON body of an endpoint that takes settings, in bytes. */
export const JSON_BODY_BYTES_MAX = 64 * 1024;
/** How many wrong fields one error names. */
const ISSUES_NAMED_MAX = 5;

const PLACES: Record<string, string> = {
  query: 'query parameter',
  param: 'path parameter',
  json: 'body field',
  header: 'header',
};

/** A router whose validation failures are `E_BAD_REQUEST` with the name of each wrong field. */
export function createRouter(): AdminRouter {
  return new OpenAPIHono<AdminEnv>({
    defaultHook: (result) => {
      if (result.success) return;
      const place = PLACES[result.target] ?? result.target;
      const issues = result.error.issues.slice(0, ISSUES_NAMED_MAX).map((issue) => {
        const field = issue.path.join('.');
        return {
          field,
          text: field === '' ? `${place}: ${issue.message}` : `${place} \`${field}\`: ${issue.message}`,
        };
      });
      throw new LambentError('E_BAD_REQUEST', issues.map(({ text }) => text).join('; '), {
        details: { in: result.target, fields: issues.map(({ field }) => field) },
      });
    },
  });
}

/** Refuses JSON bodies beyond the limit before they are read. */
export const limitJsonBody = bodyLimit({
  maxSize: JSON_BODY_BYTES_MAX,
  onError: () => {
    throw new LambentError('E_PAYLOAD_TOO_LARGE', `The body is over ${JSON_BODY_BYTES_MAX} bytes.`);
  },
});
