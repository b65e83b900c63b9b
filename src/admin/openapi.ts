import type { AdminRouter } from './router.ts';
import { ErrorBodySchema } from './schemas.ts';

const METHODS = ['get', 'put', 'post', 'delete', 'patch'] as const;

/** An operation of the document, as far as it is read here. */
interface Operation {
  responses: Record<string, unknown>;
}

/**
 * The OpenAPI 3.1 document of everything on the router, from the very schemas that check its requests. Each
 * operation gets the one answer that all share: errors.
 */
export function describeApi(api: AdminRouter, version: string): Record<string, unknown> {
  api.openAPIRegistry.registerComponent('securitySchemes', 'token', {
    type: 'http',
    scheme: 'bearer',
    description: 'A token of this server. `lambent dev` needs none on the same machine.',
  });
  api.openAPIRegistry.register('ErrorBody', ErrorBodySchema);
  const document = api.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Lambent control API',
      version,
      description:
        'Deploys apps, calls functions, and reads their history. Errors have one shape and stable codes.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
  });
  const error = {
    description: 'An error; its code says which. The status is that of the code.',
    content: { 'application/json': { schema: { $ref: '#/components/schemas/ErrorBody' } } },
  };
  for (const path of Object.values(document.paths ?? {})) {
    for (const method of METHODS) {
      const operation = (path as Record<string, Operation | undefined>)[method];
      if (operation !== undefined) operation.responses.default = error;
    }
  }
  return document as unknown as Record<string, unknown>;
}
